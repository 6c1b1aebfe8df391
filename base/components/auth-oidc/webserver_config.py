"""FAB's configuration for logins through an OpenID Connect provider. Its addresses come from its discovery document."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from airflow.providers.fab.auth_manager.security_manager.override import FabAirflowSecurityManagerOverride
from flask_appbuilder.const import AUTH_OAUTH

SECRET = Path(os.environ.get("OIDC_CLIENT_SECRET_FILE", "/etc/oidc-secret/client-secret"))

AUTH_TYPE = AUTH_OAUTH
AUTH_USER_REGISTRATION = True
AUTH_USER_REGISTRATION_ROLE = os.environ["OIDC_DEFAULT_ROLE"]
AUTH_ROLES_MAPPING = json.loads(os.environ["OIDC_ROLES"])
AUTH_ROLES_SYNC_AT_LOGIN = True  # a user who has left a group loses its role at the next login
OAUTH_PROVIDERS = [
    {
        "name": "oidc",
        "icon": "fa-key",
        "token_key": "access_token",
        "remote_app": {
            "client_id": os.environ["OIDC_CLIENT_ID"],
            "client_secret": SECRET.read_text().strip(),
            "server_metadata_url": f"{os.environ['OIDC_ISSUER'].rstrip('/')}/.well-known/openid-configuration",
            "client_kwargs": {"scope": os.environ["OIDC_SCOPE"], "code_challenge_method": "S256"},
        },
    }
]


class OidcSecurityManager(FabAirflowSecurityManagerOverride):  # type: ignore[misc] # no types
    """Reads a user's name and groups from the provider's claims."""

    def get_oauth_user_info(self, provider: str, resp: dict[str, Any]) -> dict[str, Any]:
        """Return the fields that FAB stores of a user. Without `preferred_username`, the subject is the user name."""
        claims: dict[str, Any] = {**resp.get("userinfo", {}), **self.oauth_remotes[provider].userinfo(token=resp)}
        return {
            "username": claims.get("preferred_username") or claims["sub"],
            "email": claims.get("email") or f"{claims['sub']}@unknown.invalid",
            "first_name": claims.get("given_name", ""),
            "last_name": claims.get("family_name", ""),
            "role_keys": claims.get(os.environ["OIDC_GROUPS_CLAIM"], []),
        }


SECURITY_MANAGER_CLASS = OidcSecurityManager
