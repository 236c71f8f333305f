"""The frame that is the application's own, in the stacks of seven languages, and what was raised."""

from __future__ import annotations

import pytest

from collectors.causes import raised, top_frame

PYTHON = """Traceback (most recent call last):
  File "/app/old.py", line 1, in old
ValueError: an earlier one

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/usr/lib/python3.11/site-packages/celery/app/trace.py", line 5, in trace_task
  File "/srv/shop/releases/20260502173100/billing/capture.py", line 42, in capture
    return client.post(order)
           ^^^^^^^^^^^^^^^^^^
  File "/srv/shop/.venv/lib/python3.11/site-packages/requests/api.py", line 115, in post
billing.errors.CardDeclined: no funds: 3
"""
JAVA = """org.springframework.amqp.ListenerExecutionFailedException: Listener threw exception
\tat org.springframework.amqp.rabbit.Listener.invoke(Listener.java:10)
\tat com.acme.Outer.run(Outer.java:5)
Caused by: java.lang.IllegalStateException: Order 7 is closed
\tat java.base/java.util.Objects.requireNonNull(Objects.java:235)
\tat com.acme.billing.Capture$$EnhancerBySpringCGLIB$$3f2a.run(<generated>)
\tat com.acme.billing.Capture.lambda$run$3(Capture.java:42)
\t... 12 more
"""
NET = """System.NullReferenceException: Object reference not set to an instance of an object.
   at System.Linq.Enumerable.First[TSource](IEnumerable`1 source)
   at Acme.Billing.Capture.<Consume>d__5.MoveNext() in /src/Billing/Capture.cs:line 42
--- End of stack trace from previous location ---
   at MassTransit.Middleware.ConsumerFilter`1.Send(ConsumeContext`1 context)
"""
NODE = """TypeError: Cannot read properties of undefined (reading 'zip')
    at Object.get (/app/node_modules/lodash/lodash.js:1:2)
    at async Label.draw (file:///app/src/orders/label.js:10:5)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
"""
RUBY = """/usr/local/bundle/gems/stripe-10.0/lib/stripe.rb:7:in `block in call'
/app/app/workers/charge_worker.rb:12:in `block (2 levels) in perform'
"""
PHP = """#0 /var/www/vendor/laravel/framework/src/Db.php(7): PDO->prepare()
#1 /var/www/app/Jobs/Invite.php(42): App\\Jobs\\Invite->handle()
#2 {main}"""
GO = """goroutine 17 [running]:
runtime.panicmem()
\t/usr/local/go/src/runtime/panic.go:260 +0x1d
main.(*Users).find(0xc000123, {0x1, 0x2})
\t/src/shop/users.go:42 +0x1d
"""


@pytest.mark.parametrize(
    ("trace", "frame", "short"),
    [
        (PYTHON, "billing/capture.py:capture", "capture()"),
        (JAVA, "com.acme.billing.Capture:run", "Capture.run()"),
        (NET, "Acme.Billing.Capture:Consume", "Capture.Consume()"),
        (NODE, "orders/label.js:Label.draw", "Label.draw()"),
        (RUBY, "workers/charge_worker.rb:perform", "perform()"),
        (PHP, "Jobs/Invite.php:App\\Jobs\\Invite->handle", "Invite->handle()"),
        (GO, "shop/users.go:main.(*Users).find", "main.(*Users).find()"),
    ],
    ids=["python", "java", "net", "node", "ruby", "php", "go"],
)
def test_the_innermost_frame_of_the_application_is_found(trace, frame, short):
    found = top_frame(trace)
    assert (str(found), found.short, found.own) == (frame, short, True)


def test_the_name_of_a_release_is_no_folder():
    trace = '  File "/srv/releases/20260502173100/capture.py", line 42, in capture\n'
    assert str(top_frame(trace)) == "capture.py:capture"


def test_a_stack_of_libraries_alone_gives_its_innermost_frame():
    trace = '  File "/x/site-packages/a/b.py", line 1, in f\n  File "/x/site-packages/c/d.py", line 2, in g\n'
    assert (str(top_frame(trace)), top_frame(trace).own) == ("c/d.py:g", False)


@pytest.mark.parametrize("trace", ["", "no stack at all", "at home", "File x, line 7", "\n\n", "#1 first"])
def test_what_is_no_stack_has_no_frame(trace):
    assert top_frame(trace) is None


@pytest.mark.parametrize(
    ("trace", "error"),
    [
        (PYTHON, ("billing.errors.CardDeclined", "no funds: 3")),
        (JAVA, ("java.lang.IllegalStateException", "Order 7 is closed")),
        (NET, ("System.NullReferenceException", "Object reference not set to an instance of an object.")),
        (NODE, ("TypeError", "Cannot read properties of undefined (reading 'zip')")),
        ("Stripe::CardError: declined", ("Stripe::CardError", "declined")),
        ("KeyError", ("KeyError", "")),
        ("it just broke", ("", "it just broke")),
        ("", ("", "")),
    ],
)
def test_what_was_raised_is_read_from_the_stack(trace, error):
    assert raised(trace) == error


def test_line_numbers_do_not_change_a_frame():
    assert top_frame(PYTHON) == top_frame(
        PYTHON.replace("line 42", "line 97").replace("20260502173100", "20260601000000")
    )


def test_an_endless_stack_is_read_from_both_ends():
    middle = '  File "/x/site-packages/a/b.py", line 1, in f\n' * 200_000
    found = top_frame(
        f'Traceback (most recent call last):\n{middle}  File "/app/billing/end.py", line 1, in last\nX: y\n'
    )
    assert str(found) == "billing/end.py:last"
