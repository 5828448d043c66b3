"""When to try again."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchgen.retry import backoff, retry_after

NOW = 1_767_225_600.0  # 2026-01-01 00:00:00 UTC


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("7", 7.0),
        (" 7 ", 7.0),
        ("120.5", 120.5),
        ("0", 1.0),
        ("99999999999", 300.0),
        ("Thu, 01 Jan 2026 00:00:30 GMT", 30.0),
        ("Thursday, 01-Jan-26 00:00:30 GMT", 30.0),
        ("Thu Jan  1 00:00:30 2026", 30.0),
        ("Thu, 01 Jan 2025 00:00:30 GMT", 1.0),
        ("-5", None),
        ("", None),
        ("soon", None),
        ("１２", None),
        ("2026-01-01T00:00:30Z", None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms_and_kept_within_reason(text: str, seconds: float | None) -> None:
    assert retry_after(text, NOW) == seconds


_DATES = st.builds(
    "{}, {:02} {} {} {:02}:00:00 {}".format,
    st.sampled_from(["Mon", "Thu", ""]),
    st.integers(0, 40),
    st.sampled_from(["Jan", "Dec", "Foo"]),
    st.integers(0, 99_999),
    st.integers(0, 30),
    st.sampled_from(["GMT", "-0000", ""]) | st.integers(-(10**20), 10**20).map("{:+05}".format),
)


@given(st.text() | _DATES)
@example("Mon, 01 Jan 2020 00:00:00 +99999999999999999")
def test_no_retry_after_header_whatsoever_raises(text: str) -> None:
    seconds = retry_after(text, NOW)
    assert seconds is None or 1.0 <= seconds <= 300.0


@given(st.integers(0, 10_000))
def test_a_backoff_grows_to_its_cap_and_never_past_it(tries: int) -> None:
    assert 0 < backoff(tries) <= 60.0
    assert backoff(tries + 1, base=2.0, cap=100.0) >= min(100.0, 2.0 ** min(tries, 20) * 2) / 2
