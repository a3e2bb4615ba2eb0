"""The families, in the order in which they are searched: those first that the look of a log decides.

A new one is a file and a line here.
"""

from __future__ import annotations

from typing import Final

from trackside_service.conformance.identification.constant import CONSTANT
from trackside_service.conformance.identification.cosine import COSINE
from trackside_service.conformance.identification.cyclic import CYCLIC
from trackside_service.conformance.identification.exponential import EXPONENTIAL
from trackside_service.conformance.identification.families import FamilySpec
from trackside_service.conformance.identification.inverse_sqrt import INVERSE_SQRT
from trackside_service.conformance.identification.linear import LINEAR
from trackside_service.conformance.identification.multi_step import MULTI_STEP
from trackside_service.conformance.identification.one_cycle import ONE_CYCLE
from trackside_service.conformance.identification.polynomial import POLYNOMIAL
from trackside_service.conformance.identification.stable import STABLE
from trackside_service.conformance.identification.step import STEP
from trackside_service.conformance.identification.warm_restarts import WARM_RESTARTS

FAMILIES: Final[tuple[FamilySpec, ...]] = (
    CONSTANT,
    STABLE,
    CYCLIC,
    STEP,
    EXPONENTIAL,
    LINEAR,
    COSINE,
    MULTI_STEP,
    POLYNOMIAL,
    INVERSE_SQRT,
    WARM_RESTARTS,
    ONE_CYCLE,
)
