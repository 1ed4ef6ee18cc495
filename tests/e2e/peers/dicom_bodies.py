"""How schemathesis sends DICOM objects: as the bytes it made up, alone or as one part of several."""

import schemathesis


def octets(value):
    return value if isinstance(value, bytes) else str(value).encode()


@schemathesis.serializer("application/dicom")
def alone(_context, value):
    return octets(value)


@schemathesis.serializer("multipart/related")
def part(_context, value):
    return b"--boundary\r\nContent-Type: application/dicom\r\n\r\n" + octets(value) + b"\r\n--boundary--\r\n"
