"""Hostile requests: the files of `hostile`, malformed forms and heads, and connections that break the protocol."""

import io
import socket
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
from PIL import Image, PngImagePlugin

from tests.serving.hostile import NAMES, corpus, png

HOST = "127.0.0.1"
_SECONDS = 60.0
_FORM = "multipart/form-data; boundary=b"


def requests(image: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a description and the bytes of each request; `image` is an ordinary one."""
    files = corpus()
    for number, ((name, data), file_name) in enumerate(zip(files, NAMES * 50, strict=False)):
        if number % 3 == 0:
            yield f"form: {name}", post("/v1/predict", form(data, file_name), _FORM)
        elif number % 3 == 1:
            yield f"body: {name}", post("/v1/explain", data)
        else:
            yield f"batch: {name}", post("/v1/predict/batch", form(data, file_name, "files"), _FORM)
    for name, data in heavy():
        yield f"heavy: {name}", post("/v1/predict", data)
    for name, body, kind in _forms(image):
        yield f"form: {name}", post("/v1/predict", body, kind)
    for name, request in _heads(image):
        yield f"head: {name}", request


def response(port: int, request: bytes) -> int:
    """Send a request and return the status; 0 for a closed connection.

    Raises:
        TimeoutError: There is neither a response nor an end of the connection.
    """
    with socket.create_connection((HOST, port), timeout=_SECONDS) as connection:
        with suppress(ConnectionError):  # the server may respond before it has read everything
            connection.sendall(request)
        try:
            first = connection.recv(65_536)
        except ConnectionResetError:
            return 0
    return int(first[9:12]) if first.startswith(b"HTTP/1.1 ") else 0


def post(path: str, body: bytes, kind: str = "") -> bytes:
    """Return a request."""
    kind = f"Content-Type: {kind}\r\n" if kind else ""
    head = f"POST {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def form(data: bytes, file_name: str = "x", field: str = "file") -> bytes:
    """Return a form with a file."""
    quoted = file_name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A").replace("\0", "%00")
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{quoted}"\r\n\r\n'
    return head.encode() + data + b"\r\n--b--\r\n"


def heavy() -> Iterator[tuple[str, bytes]]:
    """Yield files that are small and valid, or nearly so, and take much time or memory."""
    yield "png of 49 megapixels", png(7_000, 7_000, pixels=bytes((3 * 7_000 + 1) * 7_000))
    for mode, size in (("L", (7_000, 7_000)), ("I;16", (5_000, 5_000)), ("1", (7_000, 7_000)), ("P", (6_000, 6_000))):
        yield f"{mode} png of {size[0]} squared", _saved(Image.new(mode, size), "PNG")
    yield "png with a transparent canvas", _saved(Image.new("RGBA", (6_000, 6_000)), "PNG")
    yield "webp of 49 megapixels", _saved(Image.new("RGB", (7_000, 7_000)), "WEBP")
    yield "gif of 36 megapixels", _saved(Image.new("P", (6_000, 6_000)), "GIF")
    yield "deflated tiff of 49 megapixels", _saved(Image.new("RGB", (7_000, 7_000)), "TIFF", compression="tiff_deflate")
    for size in ((7_000, 7_000), (50_000, 1_000), (8, 60_000)):
        image = Image.new("RGB", size)
        yield f"jpeg of {size}", _saved(image, "JPEG")
        yield f"progressive jpeg of {size}", _saved(image, "JPEG", progressive=True)
    yield "cmyk jpeg of 36 megapixels", _saved(Image.new("CMYK", (6_000, 6_000)), "JPEG")
    exif = Image.Exif()
    exif[0x0112] = 6
    yield "turned jpeg of 49 megapixels", _saved(Image.new("RGB", (7_000, 7_000)), "JPEG", exif=exif)
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 256, (2_400, 2_600, 3), np.uint8))
    yield "png of noise, 18 MB", _saved(noise, "PNG", compress_level=0)
    yield "lossless webp of noise", _saved(noise.resize((1_000, 900)), "WEBP", lossless=True)
    texts = PngImagePlugin.PngInfo()
    for number in range(2_000):
        texts.add_text(f"k{number}", "v" * 200, zip=True)
    yield "png of two thousand texts", _saved(Image.new("RGB", (64, 64)), "PNG", pnginfo=texts)
    yield "jpeg followed by a film", _saved(Image.new("RGB", (640, 480)), "JPEG") + b"\xff\xda\xff\xd8" * 1_000_000
    profile = {"icc_profile": bytes(128) + b"acsp" * 100_000}
    yield "jpeg with a broken profile", _saved(Image.new("RGB", (640, 480)), "JPEG", **profile)


def _saved(image: Image.Image, image_format: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, image_format, **options)
    return out.getvalue()


def _forms(image: bytes) -> Iterator[tuple[str, bytes, str]]:
    part = b'Content-Disposition: form-data; name="file"; filename="x"\r\n\r\n'
    whole = b"--b\r\n" + part + image + b"\r\n--b--\r\n"
    yield "without a boundary", whole, "multipart/form-data"
    yield "with an empty boundary", whole, "multipart/form-data; boundary="
    yield "with another boundary", whole, "multipart/form-data; boundary=c"
    yield "with a boundary of 10,000 bytes", whole, "multipart/form-data; boundary=" + "b" * 10_000
    yield "with a boundary that is not ASCII", whole, "multipart/form-data; boundary=ü"
    yield "empty", b"", _FORM
    yield "of an end only", b"--b--\r\n", _FORM
    yield "cut in a header", whole[:30], _FORM
    yield "cut in the file", whole[: len(whole) // 2], _FORM
    yield "without a disposition", b"--b\r\n\r\n" + image + b"\r\n--b--\r\n", _FORM
    yield "without a name", b"--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--\r\n", _FORM
    yield "with a null in a name", whole.replace(b'"file"', b'"fi\0le"'), _FORM
    yield "with an unknown field", form(image, field="picture"), _FORM
    yield "with two files", whole.replace(b"--b--", b"--b\r\n" + part + image + b"\r\n--b--"), _FORM
    yield "with a file as text", whole.replace(b'; filename="x"', b""), _FORM
    yield "of 100,000 empty parts", b"--b\r\n\r\n\r\n" * 100_000 + b"--b--\r\n", _FORM
    yield "with 19 MB of line ends", b"--b\r\n" + part + b"\r\n" * 9_500_000 + b"\r\n--b--\r\n", _FORM
    yield "with 19 MB of beginnings of boundaries", b"--b\r\n" + part + b"\r\n--" * 4_700_000 + b"\r\n--b--\r\n", _FORM
    yield "with a header of 1 MB", b"--b\r\nX: " + b"x" * 1_000_000 + b"\r\n" + part + b"1\r\n--b--\r\n", _FORM
    yield "with an age of nothing", _field(b"age", b"") + whole, _FORM
    yield "with an age of 10^400", _field(b"age", b"1" + b"0" * 400) + whole, _FORM
    yield "with an age that is no number", _field(b"age", b"nan") + whole, _FORM
    yield "with a site that is a script", _field(b"site", b"<script>alert(1)</script>") + whole, _FORM
    yield "with text that is not UTF-8", _field(b"sex", b"\xff\xfe") + whole, _FORM
    yield "as JSON", b'{"file": "x"}', "application/json"
    yield "url-encoded", b"file=x", "application/x-www-form-urlencoded"
    yield "of an unknown type", image, "x/" + "y" * 1_000


def _field(name: bytes, value: bytes) -> bytes:
    return b'--b\r\nContent-Disposition: form-data; name="' + name + b'"\r\n\r\n' + value + b"\r\n"


def _heads(image: bytes) -> Iterator[tuple[str, bytes]]:
    host = b"Host: 127.0.0.1\r\n"
    for line in (b"GET / HTTP/9.9", b"GET /", b"GET / / HTTP/1.1", b"\0 / HTTP/1.1", b"POST  HTTP/1.1", b"G" * 40_000):
        yield f"first line {line[:20]!r}", line + b"\r\n" + host + b"\r\n"
    for path in (
        b"/../../etc/passwd", b"/%2e%2e/%2e%2e/etc/passwd", b"/assets/../../settings.py", b"/assets/%00", b"*",
        b"//evil.example/", b"/assets/" + b"../" * 200, b"/v1/predict/../model", b"/v1/model?" + b"a=1&" * 5_000,
        b"/%ff%fe", b"http://evil.example/", b"/v1/explain?diagnosis=" + b"x" * 5_000,
    ):  # fmt: skip
        yield f"path {path[:30]!r}", b"GET " + path + b" HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n"
    for method in (b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"OPTIONS", b"PROPFIND"):
        yield f"method {method!r}", method + b" /v1/predict HTTP/1.1\r\nConnection: close\r\n" + host + b"\r\n"
    size = b"Content-Length: %d\r\n" % len(image)
    for name, headers, body in (
        ("two lengths", size + b"Content-Length: 3\r\n", image),
        ("a negative length", b"Content-Length: -1\r\n", image),
        ("a length of 10^30", b"Content-Length: 1" + b"0" * 30 + b"\r\n", image),
        ("a length that is no number", b"Content-Length: x\r\n", image),
        ("length and chunks", size + b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n"),
        ("chunks of no size", b"Transfer-Encoding: chunked\r\n", b"zz\r\n\r\n"),
        ("a chunk of 2^64", b"Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\nx"),
        ("chunks of a byte", b"Transfer-Encoding: chunked\r\n", b"1\r\nx\r\n" * 100_000 + b"0\r\n\r\n"),
        ("chunks that end early", b"Transfer-Encoding: chunked\r\n", b"a\r\nabc"),
        ("an unknown coding", b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n"),
        ("a compressed body", size + b"Content-Encoding: gzip\r\n", image),
        ("an expectation", size + b"Expect: 100-continue\r\n", image),
        ("an upgrade", b"Upgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 0\r\n", b""),
        ("a body that ends early", b"Content-Length: 100000\r\n", image[:500]),
        ("a null in a header", b"X: a\0b\r\n" + size, image),
        ("a header without a name", b": x\r\n" + size, image),
        ("a folded header", b"X: a\r\n b\r\n" + size, image),
        ("a header of 40 kB", b"X: " + b"a" * 40_000 + b"\r\n" + size, image),
        ("3,000 headers", b"".join(b"X%d: y\r\n" % number for number in range(3_000)) + size, image),
        ("an identifier with line ends", b"X-Request-ID: a%0d%0aX-Injected: yes\r\n" + size, image),
        ("a forged address", b"X-Forwarded-For: 127.0.0.1, " * 1 + b"\xff\r\n" + size, image),
        ("another host", b"Host: evil.example\r\n" + size, image),
    ):
        yield name, b"POST /v1/predict HTTP/1.1\r\nConnection: close\r\n" + host + headers + b"\r\n" + body
    yield "no host", b"GET /v1/model HTTP/1.1\r\nConnection: close\r\n\r\n"
    yield "an end in the head", b"POST /v1/predict HTTP/1.1\r\nHo"
    yield "TLS", b"\x16\x03\x01\x02\0\1\0\1\xfc\3\3" + bytes(500)
    yield "HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9)
    yield "SSH", b"SSH-2.0-OpenSSH_9.9\r\n"
    yield "nothing", b""
    yield "zeros", bytes(100_000)
