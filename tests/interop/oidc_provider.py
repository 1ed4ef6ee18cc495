"""An OpenID provider that others wrote (oidc-provider-mock, on Authlib), for the tests of the hub's sign-in.

    oidc_provider.py PORT ACCOUNTS

ACCOUNTS is JSON: what each account's ID token says beside its `sub`. The provider itself takes any verifier, so Authlib's own
check of PKCE (RFC 7636) stands before its token endpoint.
"""

import io
import json
import os
import sys
from urllib.parse import parse_qs, urlsplit

os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # Loopback.

import oidc_provider_mock
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from oidc_provider_mock import User
from werkzeug.serving import make_server


class Pkce:
    """Remembers each code's challenge and holds the verifier against it."""

    def __init__(self, app):
        self.app = app
        self.challenges = {}

    def __call__(self, environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/oauth2/token":
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = environ["wsgi.input"].read(length)
            environ["wsgi.input"] = io.BytesIO(body)
            asked = parse_qs(body.decode())
            wanted = self.challenges.pop(asked.get("code", [""])[0], None)
            verifier = asked.get("code_verifier", [""])[0]
            if wanted is None or create_s256_code_challenge(verifier) != wanted:
                start_response("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant"}']
        asked = parse_qs(environ.get("QUERY_STRING", ""))

        def started(status, headers, *more):
            location = dict(headers).get("Location", "")
            code = parse_qs(urlsplit(location).query).get("code")
            if path == "/oauth2/authorize" and code:
                assert asked["code_challenge_method"] == ["S256"]
                self.challenges[code[0]] = asked["code_challenge"][0]
            return start_response(status, headers, *more)

        return self.app(environ, started)


def main():
    port, accounts = int(sys.argv[1]), json.loads(sys.argv[2])
    users = [User(sub=sub, claims=claims) for sub, claims in accounts.items()]
    provider = oidc_provider_mock.app(require_nonce=True, user_claims=users)
    server = make_server("127.0.0.1", port, Pkce(provider), threaded=True)
    print(server.server_port, flush=True)
    server.serve_forever()


main()
