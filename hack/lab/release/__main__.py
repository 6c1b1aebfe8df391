"""Writes a release of this checkout to dist/. If that is impossible, one sentence says why."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

import hack
from hack.lab.images.catalog import IMAGES, Image, ImagesError, chosen
from hack.lab.images.root import ImageRoot
from hack.lab.images.workshop import Workshop
from hack.lab.release import archive, files, sbom, source
from hack.lab.release.source import ReleaseError, Source
from hack.progress import step

CHECKOUT = Path(hack.__file__).resolve().parents[1]
OURS = [image for image in IMAGES if not image.official]


def parser() -> argparse.ArgumentParser:
    """Return the command line's grammar."""
    result = argparse.ArgumentParser(prog="python3 -m hack.lab.release", description=__doc__)
    result.add_argument(
        "--try", action="store_true", dest="trial", help="accept any checkout; the result is no release"
    )
    result.add_argument("images", nargs="*", metavar="IMAGE", help="with --try: only these images")
    return result


def write(current: Source, images: list[Image], target: Path, workshop: Workshop) -> None:
    """Write everything into the empty folder ``target``."""
    digests, archives = {}, {}
    for image in images:
        built = workshop.build(image)
        with step(f"archive and bill of materials of {image.reference}"):
            digests[image], archives[image] = write_image(image, built, target, current)
    with step("wheel, overlays and checksums"):
        files.wheel(CHECKOUT, target, current)
        files.list_images(target, archives, digests)
        if registry := os.environ.get("IMAGE_REGISTRY", "").rstrip("/"):
            files.name_images(target, registry, digests)
        files.render(CHECKOUT, target)
        (target / "notes.md").write_text(current.notes or "")
        files.checksums(target)


def write_image(image: Image, built: Path, target: Path, current: Source) -> tuple[str, str]:
    """Write an image and its bill of materials; return the image's digest and the archive's name."""
    name = f"{image.name}-{image.reference.partition(':')[2]}"
    packed = f"{name}.oci.tar"
    digest = archive.write(image, built, target / packed, current.time)
    with ImageRoot(built) as root:
        (target / f"{name}.cdx.json").write_text(sbom.document(image, digest, root, current))
    return digest, packed


def checked(options: argparse.Namespace) -> tuple[Source, list[Image]]:
    """Return what is released, and its images. Raises ReleaseError or ImagesError if a person must act first."""
    current = source.read(CHECKOUT)
    if not options.trial and (refusal := current.refusal):
        raise ReleaseError(refusal)
    if options.images and not options.trial:
        raise ReleaseError("a release has all images: name none, or give --try")
    return current, chosen(options.images) if options.images else OURS


def release(current: Source, images: list[Image], name: str) -> Path:
    """Write the release to its folder below dist/, and return that."""
    target = CHECKOUT / "dist" / name
    draft = target.with_name(f"{name}.new")  # so that a run that was stopped leaves nothing that looks like a release
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    cache = Path(os.environ.get("KUBE_AIRFLOW_CACHE") or Path.home() / ".cache/kube-airflow")
    write(current, images, draft, Workshop(CHECKOUT, cache, {}))
    shutil.rmtree(target, ignore_errors=True)
    return draft.rename(target)


def main() -> None:
    """Write the release, and print its folder."""
    options = parser().parse_args()
    try:
        current, images = checked(options)
        name = f"{current.tag}-try-{current.commit[:12]}" if options.trial else current.tag
        print(release(current, images, name).relative_to(CHECKOUT))
    except (ReleaseError, ImagesError) as error:
        sys.exit(f"release: {error}")


if __name__ == "__main__":
    main()
