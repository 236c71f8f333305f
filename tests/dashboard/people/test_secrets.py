from __future__ import annotations

import pytest

from dashboard.secrets import SecretError, decrypt, encrypt

URL = "amqp://weir:s3cret-of-the-rabbit@rabbit:5672"


def test_what_is_encrypted_comes_back_and_does_not_show(settings):
    settings.WEIR_ENCRYPTION_KEYS = ["one"]
    kept = encrypt(URL)
    assert decrypt(kept) == URL
    assert "s3cret" not in kept and "rabbit" not in kept


def test_after_a_rotation_the_old_key_still_reads_and_the_new_one_writes(settings):
    settings.WEIR_ENCRYPTION_KEYS = ["old"]
    before = encrypt(URL)
    settings.WEIR_ENCRYPTION_KEYS = ["new", "old"]
    assert decrypt(before) == URL
    after = encrypt(URL)
    settings.WEIR_ENCRYPTION_KEYS = ["new"]
    assert decrypt(after) == URL
    with pytest.raises(SecretError):
        decrypt(before)


def test_a_wrong_key_is_said_in_a_sentence_that_holds_no_secret(settings):
    settings.WEIR_ENCRYPTION_KEYS = ["right"]
    kept = encrypt(URL)
    settings.WEIR_ENCRYPTION_KEYS = ["wrong"]
    with pytest.raises(SecretError, match="WEIR_ENCRYPTION_KEY") as caught:
        decrypt(kept)
    assert kept not in str(caught.value) and "s3cret" not in str(caught.value)


def test_the_same_text_is_never_encrypted_alike(settings):
    settings.WEIR_ENCRYPTION_KEYS = ["one"]
    assert encrypt(URL) != encrypt(URL)
