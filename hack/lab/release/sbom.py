"""Makes the bill of materials of an image in CycloneDX 1.6: its Debian packages and its Python distributions.

The names follow https://github.com/package-url/purl-spec, with the qualifiers that scanners need: ``distro`` is
Debian's release, ``upstream`` the source package, which Debian's security tracker uses.
"""

from __future__ import annotations

import datetime
import uuid
from email.parser import BytesHeaderParser
from typing import TYPE_CHECKING

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from hack.lab.release.source import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hack.lab.images.catalog import Image
    from hack.lab.images.root import ImageRoot
    from hack.lab.release.source import Source

STATUS = "var/lib/dpkg/status"
RELEASE = "usr/lib/os-release"  # the one in /etc is a link to it
NAMESPACE = uuid.UUID("6f1d7a38-6c1c-5d0e-9a57-2f6b0c2f4c11")
"""The namespace of the documents' serial numbers, so that an image always has the same document."""


def document(image: Image, digest: str, root: ImageRoot, source: Source) -> str:
    """Return the bill of materials of ``image`` as JSON. Raises ReleaseError if the schema forbids a part of it."""
    bom = Bom(components=[*debian(root), *python(root)], serial_number=uuid.uuid5(NAMESPACE, digest))
    bom.metadata.timestamp = datetime.datetime.fromtimestamp(source.time, datetime.UTC)
    bom.metadata.component = subject = the_image(image, digest, source)
    bom.register_dependency(subject, bom.components)
    result = JsonV1Dot6(bom).output_as_string(indent=1)
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(result):
        raise ReleaseError(f"the bill of materials of {image.reference} is not CycloneDX: {error.data.message}")
    return result + "\n"


def the_image(image: Image, digest: str, source: Source) -> Component:
    """Return the component that all others are parts of."""
    tag = image.reference.partition(":")[2]
    purl = PackageURL("oci", name=image.name, version=digest, qualifiers={"tag": tag})
    return Component(
        type=ComponentType.CONTAINER,
        name=image.repository,
        version=tag,
        purl=purl,
        bom_ref=str(purl),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest.removeprefix("sha256:"))],
        properties=[
            Property(name="kube-airflow:release", value=source.version),
            Property(name="kube-airflow:commit", value=source.commit),
        ],
    )


def debian(root: ImageRoot) -> Iterator[Component]:
    """Yield the Debian packages that dpkg has installed."""
    distro = release_of(root)
    for paragraph in root.read(STATUS).strip().split(b"\n\n"):
        package = BytesHeaderParser().parsebytes(paragraph)
        if package["Status"].endswith(" installed"):
            qualifiers = {"arch": package["Architecture"], "distro": distro, **upstream(package["Source"])}
            purl = PackageURL("deb", "debian", package["Package"], package["Version"], qualifiers)
            yield library(purl)


def upstream(source: str | None) -> dict[str, str]:
    """Return ``{"upstream": "glibc@2.41-12"}`` for ``glibc (2.41-12)``; an empty mapping for None."""
    return {"upstream": source.replace(" (", "@").removesuffix(")")} if source else {}


def release_of(root: ImageRoot) -> str:
    """Return the image's release of Debian, such as ``debian-13``."""
    lines = root.read(RELEASE).decode().splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return f"{values['ID']}-{values['VERSION_ID'].strip(chr(34))}"


def python(root: ImageRoot) -> Iterator[Component]:
    """Yield the Python distributions, of every environment in the image."""
    found = {}
    for path in root.files:
        if path.endswith(".dist-info/METADATA"):
            metadata, _ = parse_email(root.read(path))
            purl = PackageURL("pypi", name=canonicalize_name(metadata["name"]), version=metadata["version"])
            found[str(purl)] = library(purl, metadata.get("license_expression"))
    yield from found.values()


def library(purl: PackageURL, license_expression: str | None = None) -> Component:
    """Return the component of a package, by its package URL."""
    component = Component(
        type=ComponentType.LIBRARY, name=purl.name, version=purl.version, purl=purl, bom_ref=str(purl)
    )
    if license_expression:
        component.licenses.add(LicenseFactory().make_from_string(license_expression))
    return component
