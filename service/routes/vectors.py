"""GET /vectors: the loaded concept vectors and the sets that policies draw from."""

from dataclasses import asdict

from fastapi import APIRouter

from policies.errors import choose_from
from service.dependencies import ReadyGeneration, needs
from service.errors import UnknownVectorError
from service.schemas import ErrorResponse, VectorDetail, VectorsResponse, VectorSummary
from vectors import StoredVector

router = APIRouter(prefix="/vectors", tags=["vectors"], dependencies=[needs("read")])


@router.get("")
def list_vectors(generation: ReadyGeneration) -> VectorsResponse:
    """List the loaded vectors and concept sets."""
    loaded = generation.loaded
    return VectorsResponse(
        vectors=tuple(_summary(stored) for stored in loaded.vectors.values()), sets=loaded.concepts.sets
    )


@router.get("/{name}", responses={404: {"model": ErrorResponse}})
def show_vector(name: str, generation: ReadyGeneration) -> VectorDetail:
    """Show one loaded vector, how it was learned and what it was measured to do."""
    loaded = generation.loaded.vectors
    if name not in loaded:
        raise UnknownVectorError(
            f"There is no vector {name!r}.", field="name", value=name, cure=choose_from(name, loaded)
        )
    vector = loaded[name].vector
    return VectorDetail(
        **_summary(loaded[name]).model_dump(),
        prompts=asdict(vector.prompts),
        training=dict(vector.training),
        effect=dict(vector.effect),
    )


def _summary(stored: StoredVector) -> VectorSummary:
    vector = stored.vector
    return VectorSummary(
        concept=stored.name,
        version=stored.version,
        digest=stored.digest,
        recommended_strength=vector.recommended_strength,
        base_model=vector.base_model,
        site=vector.site,
        shape=vector.shape,
        halves=vector.halves,
        timesteps=vector.timesteps,
        norm=vector.norm,
    )
