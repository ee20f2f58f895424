"""`rotator demo`: the main job on a laptop, under real traffic, with the job killed again and again, and proven."""

from rotator.errors import RotatorError

try:
    from rotator.sandbox.demo.play import play
except ModuleNotFoundError as error:
    raise RotatorError(f"the demo needs the package {error.name}: install rotator[demo]") from None

__all__ = ["play"]
