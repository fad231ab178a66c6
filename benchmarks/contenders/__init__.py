"""Who takes part. A new contender is a class of these modules, named in ``ALL``."""

from benchmarks.contenders.baresip import BaresipUac
from benchmarks.contenders.base import Contender, Role
from benchmarks.contenders.engine import EngineUac, EngineUas
from benchmarks.contenders.picosip import ControlUac, ControlUas, UnaryUac, UnaryUas
from benchmarks.contenders.pypi import AiosipuaUas, SippyUas
from benchmarks.contenders.sipp import SippUac, SippUas

__all__ = ["ALL", "Contender", "Role"]

ALL: tuple[Contender, ...] = (
    EngineUas(),
    ControlUas(),
    UnaryUas(),
    AiosipuaUas(),
    SippyUas(),
    SippUas(),
    EngineUac(),
    ControlUac(),
    UnaryUac(),
    BaresipUac(),
    SippUac(),
)
