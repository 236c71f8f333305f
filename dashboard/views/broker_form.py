"""The form of a broker: URL, name, interval, look only.

Between "Check" and "Save" the password must not stand in the page. The form comes back with the URL as it may be
shown, and the whole one encrypted in a hidden field, which only this server can read.
"""

from __future__ import annotations

from typing import Any

from django import forms

from collectors import registry
from collectors.errors import CollectorError
from collectors.url import BrokerURL

from ..broker_check import Answer, check_broker
from ..brokers import HIDDEN, LEAST_INTERVAL, LONGEST_INTERVAL, BrokerRefused, read_url, url_of
from ..models import Broker
from ..secrets import SecretError, decrypt, encrypt


class BrokerForm(forms.Form):
    """`broker`: the one that is edited. After `is_valid`, `whole` is the URL with its password."""

    url = forms.CharField(max_length=2000, label="URL")
    name = forms.CharField(max_length=100, required=False)
    interval = forms.FloatField(min_value=LEAST_INTERVAL, max_value=LONGEST_INTERVAL, required=False)
    look_only = forms.BooleanField(required=False)
    end_demo = forms.BooleanField(required=False, initial=True)
    sealed = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, broker: Broker | None = None, **kwargs: Any) -> None:
        super().__init__(data.copy() if data is not None else None, **kwargs)
        self.broker = broker
        self.whole: BrokerURL | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "url" in cleaned:
            try:
                self.whole = self._read(cleaned["url"], cleaned.get("sealed", ""))
            except BrokerRefused as refused:
                self.refuse(refused)
        self._seal()
        return cleaned

    def _read(self, text: str, sealed: str) -> BrokerURL:
        """The URL with its hidden password put back: that of what was checked before, else the broker's."""
        if HIDDEN not in text:
            return read_url(text)
        try:
            if sealed:
                return read_url(text, registry.parse(decrypt(sealed)))
            return read_url(text, url_of(self.broker) if self.broker else None)
        except (SecretError, CollectorError) as error:
            raise BrokerRefused("url", str(error)) from error

    def _seal(self) -> None:
        """What goes back to the page: never the password that was typed."""
        self.data["sealed"] = encrypt(self.whole.text) if self.whole else ""
        if self.whole:
            self.data["url"] = self.whole.safe
        elif "@" in self.data.get("url", "") and HIDDEN not in self.data["url"]:
            self.data["url"] = ""

    @property
    def url_text(self) -> str:
        """The whole URL, to be saved."""
        assert self.whole is not None
        return self.whole.text

    @property
    def fields_to_save(self) -> dict[str, Any]:
        """name, interval and look_only for `save_broker`."""
        assert self.whole is not None
        clean = self.cleaned_data
        look_only = clean["look_only"] or self.whole.get_bool("look_only")
        return {"name": clean["name"], "interval": clean["interval"], "look_only": look_only}

    def check(self) -> Answer:
        """Try the URL as it stands in the form."""
        assert self.whole is not None
        return check_broker(self.whole)

    def refuse(self, refused: BrokerRefused) -> None:
        """Show why it was refused at the field that is wrong."""
        self.add_error(refused.field if refused.field in self.fields else None, str(refused))
