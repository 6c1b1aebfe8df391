"""The reasons that Events, `gitsync_refusals_total`, notices and `gitsync status` name, with their meaning.

A reason is one word in CamelCase. docs/reference.md is made from these tables. `tests/unit/test_reference.py` checks
that the program uses these reasons and no others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

HAPPENED: Mapping[str, str] = {
    "Published": "Every pod has the revision.",
    "Deferred": "The candidate waits. The message names the runs, or what else it waits for.",
    "FlipFailed": "A member did not move its link in time, or the hold was lost: all members are back on the revision"
    " before. The candidate is tried again after 30 seconds.",
    "ForcePushed": "The ref no longer descends from the revision before it.",
    "Ordered": "An operator has given an order.",
    "NotSerialized": "Airflow did not parse the DAG files that the revision touches in time.",
}
"""Events of a publication, on the controller's pod."""

REFUSED: Mapping[str, str] = {
    "ForcePushRefused": "The ref no longer descends from the revision before it, and `force_push` is `refuse`.",
    "GateRefused": "The gate found an import error, a duplicate DAG id or a slow import, or the check command failed.",
    "GitsyncYamlWrong": "`.gitsync.yaml` cannot be read. The message names the wrong key by its path.",
    "NameRefused": "A name that Git keeps for itself, such as `.git` or `..`, or that the volume cannot hold.",
    "NothingSelected": "The sparse patterns select no file.",
    "SignatureBad": "The commit or tag was changed after it had been signed.",
    "SignatureExpired": "The signature had an end, which is past.",
    "SignatureUnreadable": "The signature is of a kind that this installation cannot check.",
    "SignerExpired": "The key that signed has expired.",
    "SignerRevoked": "The key that signed has been revoked.",
    "SignerUnknown": "The key that signed is neither in a keyring nor among the allowed signers.",
    "SubdirectoryMissing": "The revision does not have the directory that `subdirectory` names.",
    "SubmoduleElsewhere": "A submodule is at an address that `submodules_within` does not allow.",
    "SubmoduleUnknown": "A submodule has no address in `.gitmodules`, or one that leads above the repository's.",
    "TagRenamed": "The tag was signed under another name.",
    "TooManySubmodules": "Submodules are nested deeper, or are more, than any real repository's.",
    "TreeRefused": "A name, a size or a symbolic link breaks a rule of `tree`.",
    "TreeTooLarge": "The names of all files together are longer than gitsync reads.",
    "Unsigned": "Nobody has signed the commit or tag.",
}
"""A revision stays away from every pod until a better one is pushed, or the rule is changed."""

FAILED: Mapping[str, str] = {
    "AlgorithmsRefused": "The SSH host has only algorithms that ssh no longer uses. `ssh_options` may allow one.",
    "AskpassFailed": "The askpass service did not answer with a user name and a password.",
    "AuthenticationFailed": "The Git host refused the password, token or SSH key.",
    "CertificateRefused": "The certificate of the Git host is not trusted.",
    "CredentialsUnreadable": "A file with a password, token or key cannot be read.",
    "FetchFailed": "Git failed in a way that gitsync has no name for, or the disk did. The message has Git's words.",
    "GateUnavailable": "The gate's container does not answer. The candidate waits.",
    "GitHubAppRefused": "GitHub gave no token to the App.",
    "HostKeyChanged": "The SSH host shows another key than `known_hosts_files` has.",
    "HostKeyUnknown": "The key of the SSH host is not in `known_hosts_files`.",
    "HostUnreachable": "The Git host has no address or does not answer.",
    "InternalError": "A defect in gitsync. The next commit is fetched all the same.",
    "KeyringUnreadable": "The public keys for signatures cannot be read.",
    "NotACommit": "The ref names an object that is no commit.",
    "ObjectFormat": "The repository uses SHA-256 ids, which gitsync does not read.",
    "ObjectsRefused": "`git fsck` objects to an object of the repository.",
    "ProtocolRefused": "The address uses a protocol other than https, http, ssh, git or a path.",
    "ProxyRefused": "The proxy did not connect to the Git host.",
    "RefNotFound": "The repository does not have the branch, tag or commit.",
    "RepositoryForbidden": "The repository's directory belongs to another user.",
    "RepositoryNotFound": "There is no repository at the address, or these credentials may not see it.",
    "RevisionNotOffered": "The Git host gives out no commit by its id, and no branch has this one.",
    "TimedOut": "A Git command took longer than `timeout`. It was ended with every process that it had started.",
    "UserNameMissing": "The SSH client needs a name for the uid of the process.",
}
"""The published revision stays. The remote is tried again after 5, 10, 20 … 300 seconds."""

NOT_EVENTS: Mapping[str, str] = {
    "ControllerRefused": "The controller does not know the pod's token or request.",
    "ControllerUnreachable": "The controller does not answer.",
    "EpochOutdated": "A controller that no longer leads has sent an old directive. It is not obeyed.",
    "HookRefused": "Stand-alone: the pre-publish hook failed.",
    "NothingPublished": "`gitsync stage current` was asked for before anything was published.",
}
"""Reasons in the logs of a sidecar, of `gitsync stage` and of stand-alone mode."""
