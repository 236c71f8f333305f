"""The form of a broker: URL, name, interval, look only, and the URL for looking and replaying.

Between "Check" and "Save" the password must not stand in the page. The form comes back with the URL as it may be
shown, and the whole one encrypted in a hidden field, which only this server can read; so does the other URL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import forms

from collectors import registry
from collectors.errors import CollectorError
from collectors.url import BrokerURL

from ..broker_check import Answer, check_broker
from ..brokers import HIDDEN, LEAST_INTERVAL, LONGEST_INTERVAL, BrokerRefused, acting_url_of, read_url, url_of
from ..models import Broker
from ..secrets import SecretError, decrypt, encrypt


class BrokerForm(forms.Form):
    """`broker`: the one that is edited. After `is_valid`, `whole` is the URL with its password."""

    url = forms.CharField(max_length=2000, label="URL")
    name = forms.CharField(max_length=100, required=False)
    interval = forms.FloatField(min_value=LEAST_INTERVAL, max_value=LONGEST_INTERVAL, required=False)
    look_only = forms.BooleanField(required=False)
    end_demo = forms.BooleanField(required=False, initial=True)
    acting_url = forms.CharField(max_length=2000, required=False, label="URL for looking and replaying")
    sealed = forms.CharField(required=False, widget=forms.HiddenInput)
    sealed_acting = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, data: Any = None, *, broker: Broker | None = None, **kwargs: Any) -> None:
        super().__init__(data.copy() if data is not None else None, **kwargs)
        self.broker = broker
        self.whole: BrokerURL | None = None
        self.acting: BrokerURL | None = None

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if "url" in cleaned:
            try:
                self.whole = self._read(cleaned["url"], cleaned.get("sealed", ""), url_of)
            except BrokerRefused as refused:
                self.refuse(refused)
        if cleaned.get("acting_url"):
            try:
                self.acting = self._read(cleaned["acting_url"], cleaned.get("sealed_acting", ""), acting_url_of)
            except BrokerRefused as refused:
                self.add_error("acting_url", str(refused))
        self._seal("url", "sealed", self.whole)
        self._seal("acting_url", "sealed_acting", self.acting)
        return cleaned

    def _read(self, text: str, sealed: str, kept: Callable[[Broker], BrokerURL | None]) -> BrokerURL:
        """The URL with its hidden password put back: that of what was checked before, else the broker's."""
        if HIDDEN not in text:
            return read_url(text)
        try:
            if sealed:
                return read_url(text, registry.parse(decrypt(sealed)))
            return read_url(text, kept(self.broker) if self.broker else None)
        except (SecretError, CollectorError) as error:
            raise BrokerRefused("url", str(error)) from error

    def _seal(self, field: str, sealed: str, whole: BrokerURL | None) -> None:
        """What goes back to the page: never the password that was typed."""
        self.data[sealed] = encrypt(whole.text) if whole else ""
        if whole:
            self.data[field] = whole.safe
        elif "@" in self.data.get(field, "") and HIDDEN not in self.data[field]:
            self.data[field] = ""

    @property
    def url_text(self) -> str:
        """The whole URL, to be saved."""
        assert self.whole is not None
        return self.whole.text

    @property
    def fields_to_save(self) -> dict[str, Any]:
        """name, interval, look_only and acting_url for `save_broker`."""
        assert self.whole is not None
        clean = self.cleaned_data
        look_only = clean["look_only"] or self.whole.get_bool("look_only")
        acting = self.acting.text if self.acting else ""
        return {"name": clean["name"], "interval": clean["interval"], "look_only": look_only, "acting_url": acting}

    def check(self) -> Answer:
        """Try the URLs as they stand in the form."""
        assert self.whole is not None
        return check_broker(self.whole, acting=self.acting, look_only=self.cleaned_data["look_only"])

    def refuse(self, refused: BrokerRefused) -> None:
        """Show why it was refused at the field that is wrong."""
        self.add_error(refused.field if refused.field in self.fields else None, str(refused))
