"""Whatever a provider says becomes one of the nine, or is told as a gap."""

from __future__ import annotations

import pytest

from queries.catalogue.error_codes import load_taxonomy, team_code_problem, use_team_codes
from queries.model.series import Sample

NINE = {
    "RESOURCE_EXHAUSTED", "PROVIDER_TIMEOUT", "NETWORK_ERROR", "PARSE_FAILED", "AUTH_FAILED", "MODEL_LOAD_ERROR",
    "QUOTA_EXCEEDED", "INPUT_ERROR", "INTERNAL_ERROR",
}  # fmt: skip


def test_there_are_nine() -> None:
    """The codes are the platform's nine, each with its meaning and what to look at first."""
    codes = load_taxonomy().codes
    assert set(codes) == NINE
    assert all(item.means and item.first for item in codes.values())


@pytest.mark.parametrize(
    ("said", "provider", "code"),
    [
        *((code, "", code) for code in sorted(NINE)),
        ("provider_down", "", "NETWORK_ERROR"),
        ("rate_limit", "", "QUOTA_EXCEEDED"),
        ("circuit_open", "", "RESOURCE_EXHAUSTED"),
        ("PROVIDER_DOWN", "", "NETWORK_ERROR"),
        ("RATE_LIMIT", "", "QUOTA_EXCEEDED"),
        ("CIRCUIT_OPEN", "", "RESOURCE_EXHAUSTED"),
        ("TIMEOUT", "", "PROVIDER_TIMEOUT"),
        ("VALIDATION_FAILED", "", "INPUT_ERROR"),
        ("UNSUPPORTED_FORMAT", "", "INPUT_ERROR"),
        ("EXTERNAL_SERVICE_ERROR", "", "NETWORK_ERROR"),
        ("Rate-Limit ", "", "QUOTA_EXCEEDED"),
        ("provider timeout", "", "PROVIDER_TIMEOUT"),
        ("httpx.ReadTimeout", "", "PROVIDER_TIMEOUT"),
        ("json.decoder.JSONDecodeError", "", "PARSE_FAILED"),
        ("torch.cuda.OutOfMemoryError", "", "RESOURCE_EXHAUSTED"),
        ("429", "", "QUOTA_EXCEEDED"),
        ("HTTP_504", "", "PROVIDER_TIMEOUT"),
        ("status 503", "", "NETWORK_ERROR"),
        ("status 503", "deepseek", "RESOURCE_EXHAUSTED"),
        ("404", "DeepSeek", "MODEL_LOAD_ERROR"),
        ("paddle.NotFoundError", "paddle", "MODEL_LOAD_ERROR"),
        ("NotFoundError", "tesseract", ""),
        ("WEIRD", "", ""),
        # Every code that live builds are known to write, in their own spelling.
        ("timeout", "", "PROVIDER_TIMEOUT"),
        ("unsupported_format", "", "INPUT_ERROR"),
        ("json_decode", "", "PARSE_FAILED"),
        ("file_too_large", "", "INPUT_ERROR"),
        ("unsupported_raw_dwg", "", "INPUT_ERROR"),
        ("empty_parser_stub", "", "PARSE_FAILED"),
        ("500", "", "INTERNAL_ERROR"),
        # A status that nobody lists is one of its class; a number that is no error is none.
        ("418", "", "INPUT_ERROR"),
        ("599", "", "INTERNAL_ERROR"),
        ("302", "", ""),
        ("9999", "", ""),
        ("404", "deepseek_hf", "MODEL_LOAD_ERROR"),
        ("", "", ""),
    ],
)
def test_what_is_said_is_mapped(said: str, provider: str, code: str) -> None:
    """The nine, older spellings, exceptions and statuses, in any case; a provider's own meaning comes before everybody's."""
    assert load_taxonomy().map(said, provider=provider) == code


def test_a_screen_speaks_the_nine_with_the_raw_code_beside() -> None:
    """The raw code is shown where it differs, and a gap is called one."""
    taxonomy = load_taxonomy()
    told = [taxonomy.format(said) for said in ("INPUT_ERROR", "rate_limit", "WEIRD", "")]
    assert told == ["INPUT_ERROR", "QUOTA_EXCEEDED (rate_limit)", "none of the nine (WEIRD)", "none of the nine (empty)"]


def test_samples_fold_into_the_nine() -> None:
    """Spellings of one code are added up under it, the most frequent first; gaps keep a share of their own."""
    said = [
        ("rate_limit", "a", 1.0),
        ("QUOTA_EXCEEDED", "b", 2.0),
        ("INPUT_ERROR", "a", 2.5),
        ("rate_limit", "b", 4.0),
        ("ODD", "a", 0.5),
    ]
    samples = [Sample((("code", code), ("provider", who)), value) for code, who, value in said]
    shares = load_taxonomy().shares(samples)
    assert [(item.code, item.value, item.raw) for item in shares] == [
        ("QUOTA_EXCEEDED", 7.0, (("rate_limit", 5.0), ("QUOTA_EXCEEDED", 2.0))),
        ("INPUT_ERROR", 2.5, (("INPUT_ERROR", 2.5),)),
        ("", 0.5, (("ODD", 0.5),)),
    ]


def test_a_teams_own_codes_come_first() -> None:
    """What a team says of a code counts before the provider's own meaning, everywhere in the process, in any spelling."""
    use_team_codes([("license-expired", "AUTH_FAILED"), ("418", "QUOTA_EXCEEDED")])
    try:
        told = load_taxonomy()
        assert [told.map(said) for said in ("LICENSE_EXPIRED", "HTTP_418", "OTHER")] == ["AUTH_FAILED", "QUOTA_EXCEEDED", ""]
        assert "LICENSE_EXPIRED" in told.known_codes
    finally:
        use_team_codes([])
    assert load_taxonomy().map("LICENSE_EXPIRED") == ""


@pytest.mark.parametrize(
    ("word", "code", "problem"),
    [
        ("OUR_CODE", "INPUT_ERROR", ""),
        ("INPUT_ERROR", "OUR_CODE", "swap them, OUR_CODE: INPUT_ERROR"),
        ("timeout", "PROVIDER_TIMEOUT", ""),
        ("INPUT_ERROR", "NETWORK_ERROR", "this is one of the nine already"),
        ("OUR_CODE", "INPUT_EROR", "did you mean INPUT_ERROR?"),
        ("OUR_CODE", "x", "expected one of RESOURCE_EXHAUSTED, "),
    ],
)
def test_a_reversed_or_unknown_code_is_refused(word: str, code: str, problem: str) -> None:
    """A mapping the wrong way round or to a code that does not exist would hide a gap: it says what to write instead."""
    told = team_code_problem(load_taxonomy(), word, code)
    assert problem in told and bool(problem) == bool(told)
