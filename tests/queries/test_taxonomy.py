"""Whatever a provider says becomes one of the nine, or is told as a gap."""

from __future__ import annotations

import pytest

from queries.model.series import Sample
from queries.taxonomy import load_taxonomy

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
        ("418", "", ""),
        ("", "", ""),
    ],
)
def test_what_is_said_is_mapped(said: str, provider: str, code: str) -> None:
    """The nine, older spellings, exceptions and statuses, in any case; a provider's own meaning comes before everybody's."""
    assert load_taxonomy().mapped(said, provider=provider) == code


def test_a_screen_speaks_the_nine_with_the_raw_code_beside() -> None:
    """The raw code is shown where it differs, and a gap is called one."""
    taxonomy = load_taxonomy()
    told = [taxonomy.spoken(said) for said in ("INPUT_ERROR", "rate_limit", "WEIRD", "")]
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
