"""Images without a registry: content-addressed builds from containerfiles/ on a base, pulled or bootstrapped."""

from collections.abc import Callable

from bottle_core.contract import Backend
from bottle_core.images.recipe import tag
from bottle_core.spec import ImageSource


def planned_reference(source: ImageSource) -> str:
    """The reference a start will use; needs no engine. Raises BottleError for an unknown recipe."""
    return tag(source.recipe) if source.recipe else source.reference


def ensure(backend: Backend, source: ImageSource, progress: Callable[[str], None]) -> str:
    """The reference of an image that is there: built, pulled, or present all along.

    `progress` is told of every step, one line each. Raises ImageBuildError, ImageMissingError, EngineError.
    """
    reference = planned_reference(source)
    if backend.image_size(reference) is not None:
        return reference
    if source.recipe:
        from bottle_core.images.build import build

        build(backend, source.recipe, progress)
    else:
        for line in backend.pull_image(reference):
            progress(line)
    return reference
