"""SIPp sends what the server answers by itself: the application hears nothing of it."""

from __future__ import annotations

from tests.interop.suite import Play, scenario


def answered_by_the_stack(play: Play) -> None:
    app = play.app
    with play.caller() as sipp:
        sipp.finish()
        app.catch_up()
    assert app.events == []


for name in (
    "rfc3261-s8.1.1.8-missing-contact-uac",
    "rfc3261-s8.2.1-unknown-method-uac",
    "rfc3261-s8.2.2.1-unknown-scheme-uac",
    "rfc3261-s8.2.2.3-several-require-uac",
    "rfc3261-s8.2.3-unsupported-media-uac",
    "rfc3261-s9.2-cancel-of-nothing-uac",
    "rfc3261-s12.2.2-no-dialog-uac",
    "rfc3261-s16.12-max-forwards-zero-uac",
    "rfc3261-s18.2.1-received-uac",
    "rfc3311-s5.2-update-of-nothing-uac",
    "rfc3911-s7.1-join-uac",
    "rfc6665-s4.1.3-unknown-notify-uac",
    "rfc6665-s4.2.1.1-unclaimed-uac",
    "rfc4028-s9-bad-session-expires-uac",
):
    scenario(name)(answered_by_the_stack)


@scenario("rfc3581-s4-rport-uac")
def response_goes_where_the_request_came_from(play: Play) -> None:
    with play.caller() as sipp:
        sipp.finish()
        (response,) = sipp.received()
    assert f"rport={sipp.port}" in response.one("Via").split(";")
