"""What signs a link is no part of it, and how lines end none of a text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchgen.request import public_url, with_newlines

OSS = "https://b.oss-cn-hangzhou.aliyuncs.com/a.png"
COS = "https://b-125.cos.ap-guangzhou.myqcloud.com/a.png"
SIGNED = [
    (
        f"{OSS}?x-oss-process=image%2Fresize%2Cw_100",
        "&x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=L%2F20241203%2Fcn-hangzhou%2Foss&x-oss-expires=60"
        "&x-oss-date=20241203T034420Z&x-oss-additional-headers=host&x-oss-security-token=t&x-oss-signature=70c5",
    ),
    (f"{OSS}?versionId=3", "&OSSAccessKeyId=LTAI&Expires=1700000000&Signature=ab%2Bc&security-token=t"),
    (
        f"{COS}?versionId=3",
        "&q-sign-algorithm=sha1&q-ak=AK&q-sign-time=1;2&q-key-time=1;2&q-header-list=host&q-url-param-list="
        "&q-signature=dead&x-cos-security-token=t",
    ),
    ("https://b.s3.amazonaws.com/a.png?v=2", "&X-Amz-Date=1&X-Amz-Expires=60&X-Amz-Signature=dead"),
    ("https://b.s3.amazonaws.com/a.png?v=2", "&AWSAccessKeyId=A&Expires=1&Signature=x"),
    ("https://x.blob.core.windows.net/a.png?v=2", "&sv=2022&se=2026&sr=b&sp=r&sig=x"),
]


@pytest.mark.parametrize(("link", "signature"), SIGNED)
def test_a_link_is_the_same_however_it_is_signed(link: str, signature: str) -> None:
    assert public_url(link + signature) == link
    assert public_url(link) == link


@pytest.mark.parametrize(
    "link",
    [
        f"{OSS}?x-oss-process=image/resize,w_100",  # another image
        f"{COS}?imageMogr2/thumbnail/100x",
        "https://pics.example/find?q=fox&q-ak=1&expires=never&policy=open&security-token=no",
        "https://pics.example/a.png?se=1&sp=2",
    ],
)
def test_what_only_resembles_a_signature_stays(link: str) -> None:
    assert public_url(link) == link


@given(st.text(st.sampled_from("a\r\n")))
def test_the_ends_of_lines_are_newlines_as_a_text_file_has_them(text: str) -> None:
    assert with_newlines(text) == "\n".join(text.replace("\r\n", "\r").replace("\n", "\r").split("\r"))
