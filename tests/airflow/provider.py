"""An OpenID Connect provider, which Airflow's own Python runs: that one has Authlib and Flask.

`python provider.py PORT`, with the client's secret and redirect address in the environment. `PUT /people/NAME` with a
list says which groups somebody is in. A browser whose cookie `person` has that name is logged in, and consents.
"""

from __future__ import annotations

import os
import secrets
import sys
import time
from dataclasses import dataclass

from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector, current_token
from authlib.oauth2.rfc6749 import AuthorizationCodeMixin, ClientMixin, TokenMixin, grants
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, Response, jsonify, request
from joserfc.jwk import KeySet, RSAKey

ISSUER = f"http://127.0.0.1:{sys.argv[1]}"
KEYS = KeySet([RSAKey.generate_key(2048, parameters={"kid": "1"}, private=True)])
SECONDS = 3600

people: dict[str, list[str]] = {}
"""Groups by name."""
codes: dict[str, Code] = {}
tokens: dict[str, Token] = {}


class Client(ClientMixin):
    """Airflow, confidential and with one redirect address."""

    def get_client_id(self) -> str:
        return "airflow"

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == os.environ["REDIRECT_URI"]

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, os.environ["CLIENT_SECRET"])

    def check_endpoint_auth_method(self, method: str, _: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Code(AuthorizationCodeMixin):
    """What Airflow may fetch once."""

    code: str
    person: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    auth_time: int

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


@dataclass
class Token(TokenMixin):
    """What Airflow asks about somebody with."""

    person: str
    scope: str
    expires: float

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return self.expires < time.time()

    def is_revoked(self) -> bool:
        return False


class CodeGrant(grants.AuthorizationCodeGrant):
    """Codes that are good once, and only with the proof that Airflow began the login."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code: str, _: object) -> None:
        data = self.request.payload.data
        if "code_challenge" not in data:
            raise ValueError("Airflow's side has code_challenge_method S256, and sent no challenge")
        codes[code] = Code(
            code, self.request.user, data["redirect_uri"], self.request.payload.scope, data.get("nonce"),
            data["code_challenge"], data["code_challenge_method"], int(time.time()),
        )  # fmt: skip

    def query_authorization_code(self, code: str, _: Client) -> Code | None:
        return codes.get(code)

    def delete_authorization_code(self, authorization_code: Code) -> None:
        del codes[authorization_code.code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.person


def user_info(person: str, scope: str) -> UserInfo:
    """Return what somebody's scopes tell: groups only to who asks for them."""
    claims = UserInfo(sub=f"id-of-{person}", preferred_username=person, email=f"{person}@example.org")
    if "groups" in scope.split():
        claims["groups"] = people[person]
    return claims


class IdToken(OpenIDCode):
    """The signed half of what Airflow learns."""

    def exists_nonce(self, nonce: str, _: object) -> bool:
        return any(code.nonce == nonce for code in codes.values())

    def get_jwt_config(self, _: object) -> dict[str, object]:
        return {"key": KEYS, "alg": "RS256", "iss": ISSUER, "exp": SECONDS}

    def generate_user_info(self, person: str, _: str) -> UserInfo:
        return user_info(person, "openid")  # groups are only at /userinfo


class Validator(BearerTokenValidator):
    """Knows the tokens that were given."""

    def authenticate_token(self, token_string: str) -> Token | None:
        return tokens.get(token_string)


def save_token(token: dict[str, str], asked: object) -> None:
    tokens[token["access_token"]] = Token(asked.user, token["scope"], time.time() + SECONDS)  # type: ignore[attr-defined] # no types


app = Flask(__name__)
server = AuthorizationServer(app, lambda name: Client() if name == "airflow" else None, save_token)
server.register_grant(CodeGrant, [IdToken(require_nonce=True), CodeChallenge(required=True)])
protector = ResourceProtector()
protector.register_token_validator(Validator())


@app.get("/.well-known/openid-configuration")
def discovery() -> Response:
    return jsonify(
        issuer=ISSUER, authorization_endpoint=f"{ISSUER}/authorize", token_endpoint=f"{ISSUER}/token",
        userinfo_endpoint=f"{ISSUER}/userinfo", jwks_uri=f"{ISSUER}/keys", response_types_supported=["code"],
        subject_types_supported=["public"], id_token_signing_alg_values_supported=["RS256"],
        code_challenge_methods_supported=["S256"], scopes_supported=["openid", "email", "profile", "groups"],
    )  # fmt: skip


@app.get("/keys")
def keys() -> Response:
    return jsonify(KEYS.as_dict(private=False))


@app.get("/authorize")
def authorize() -> Response:
    person = request.cookies["person"]
    return server.create_authorization_response(grant_user=person, grant=server.get_consent_grant(end_user=person))


@app.post("/token")
def token() -> Response:
    return server.create_token_response()


@app.get("/userinfo")
@protector("openid")
def userinfo() -> Response:
    return jsonify(user_info(current_token.person, current_token.scope))


@app.put("/people/<name>")
def put_person(name: str) -> Response:
    people[name] = request.get_json()
    return jsonify(people[name])


if __name__ == "__main__":
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"  # loopback
    app.run("127.0.0.1", int(sys.argv[1]))
