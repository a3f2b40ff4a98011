"""The service's settings as they are declared: each with its default, what it may be by itself, and what it is for.

Entry point: `Declared`.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import DirectoryPath, Field, FilePath, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from policies.document import Name, Policy
from policies.prompt_reading.lexicon import load_lexicon
from policies.prompt_reading.phrase_patterns import load_patterns
from service.observability.logs import LogFormat, LogLevel
from service.origins import Origin
from service.schemas import PNG_COMPRESSION, PolicyOrName
from service.state.address import check_address
from service.state.jobs import CLAIM_KEPT_S, RESULT_KEPT_S
from service.state.vector_store import check_vector_store
from service.tenants import TenantSettings

HostName = Annotated[str, Field(pattern=r"^[A-Za-z0-9.:_-]+$", max_length=253)]

PREFIX = "TRIMTAB_"
DEMO_MODEL = "demo"


class Declared(BaseSettings):
    """Every setting of one service process; frozen, and no others are taken."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )

    config: Path | None = Field(default=None, description="The YAML file with these keys.")
    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    model: str = Field(
        default=DEMO_MODEL, description='A diffusers directory or hub name; "demo" is the embedded model.'
    )
    device: str = Field(default="auto", description="cpu, cuda, cuda:1, mps, or auto.")
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = Field(
        default="auto", description="What the model computes in."
    )
    vectors: DirectoryPath | None = Field(
        default=None, description="A vector library's directory. Default: the shipped vectors."
    )
    policies: dict[Name, Policy] = Field(
        default_factory=dict,
        description="Policies that requests can name. With those of the folder they replace the shipped ones.",
    )
    policy_folder: DirectoryPath | None = Field(
        default=None, description="A folder of YAML and JSON files, each a policy that requests can name."
    )
    default_policy: str = Field(default="default", description="The policy of a request that names none.")
    floor: PolicyOrName | None = Field(
        default=None,
        description="A policy, or the name of one, that holds for every request and that none can weaken.",
    )
    gate: Literal["lexicon", "lexicon+model"] = Field(
        default="lexicon",
        description="What reads prompts: the lexicon; or the model's text encoder too, where it knows no word.",
    )
    lexicon: FilePath | None = Field(
        default=None, description="A YAML file of words added to those that the gate reads prompts by."
    )
    phrases: FilePath | None = Field(
        default=None,
        description="A YAML file of responsible phrases added to those that prompts are read for.",
    )
    max_images: int = Field(default=16, ge=1, description="Images per request.")
    max_steps: int = Field(default=150, ge=1, description="Inference steps per image.")
    max_pixels: int = Field(default=1024 * 1024, ge=1, description="Height times width of an image.")
    max_pixel_steps: int = Field(
        default=1_000_000_000,
        ge=1,
        description="Height times width times steps times images of a request.",
    )
    max_strength: float = Field(
        default=3.0, gt=0, allow_inf_nan=False, description="Largest absolute strength of a concept."
    )
    max_batch_rows: int = Field(
        default=64, ge=1, description="U-Net rows of a step: two an image with guidance, one without."
    )
    execution: Literal["auto", "plain", "graphs", "compile"] = Field(
        default="auto",
        description="How forward passes are run on a GPU: captured in CUDA graphs, compiled, or as they are; "
        "auto takes the fastest.",
    )
    max_waiting: int = Field(default=1024, ge=1, description="Images that may wait for the engine.")
    max_waiting_per_tenant: int | None = Field(
        default=None, ge=1, description="Of these, images of any one tenant. Default: all of them."
    )
    max_vector_norm: float = Field(
        default=20.0,
        gt=0,
        allow_inf_nan=False,
        description="Largest norm of an uploaded vector at its recommended strength, against its site's activation.",
    )

    redis_url: SecretStr | None = Field(
        default=None,
        description="The Redis that replicas share their state in, redis:// or rediss://, or redis+sentinel:// or "
        "rediss+sentinel:// with its sentinels. Default: none.",
    )
    vector_store: str | None = Field(
        default=None,
        description="Where the files of uploaded vectors are kept: a folder, or an fsspec URL such as "
        "s3://bucket/path. Default: with the shared state.",
    )
    job_attempts: int = Field(
        default=3, ge=1, description="Workers that may begin a job and fall silent before it is set aside."
    )
    claim_kept_s: float = Field(
        default=CLAIM_KEPT_S,
        ge=0.1,
        description="Seconds of a worker's silence after which its jobs, and requests with a key, are another's.",
    )
    result_kept_s: float = Field(
        default=RESULT_KEPT_S, gt=0, description="Seconds that a job's answer is kept once it has ended."
    )
    max_waiting_jobs: int = Field(default=1024, ge=1, description="Jobs that may wait for a worker.")

    screen_detector: Literal["auto", "oracle", "clip", "nudenet", "none"] = Field(
        default="auto",
        description="What looks at finished images where a policy asks for it. auto: the demo model's oracle, or none.",
    )
    screen_clip: DirectoryPath | None = Field(
        default=None, description="A CLIP model's folder, for the screen detector clip."
    )
    screen_nudenet: FilePath | None = Field(
        default=None,
        description="NudeNet's .onnx file, for the screen detector nudenet. Default: its package's.",
    )

    keys: Path | None = Field(
        default=None, description="The file of API keys, which 'trimtab keys' writes. Default: no keys."
    )
    tenants: dict[Name, TenantSettings] = Field(
        default_factory=dict,
        description="What holds for the keys of each tenant. Where none is named, any tenant's keys open.",
    )
    allow_anonymous: bool = Field(
        default=False,
        description="Without keys, listen to other machines too: everyone may generate, nobody administer.",
    )
    allowed_hosts: tuple[HostName, ...] = Field(
        default=(),
        description="Names, without ports, by which the service may be addressed beside this machine's own, and whose "
        "pages may ask. Default: without keys none, else any.",
    )

    log_format: LogFormat = Field(
        default="auto",
        description="How lines of the log are written, to the standard error; auto: text on a terminal, else JSON.",
    )
    log_level: LogLevel = Field(default="info", description="The least that is logged.")
    log_prompts: bool = Field(default=False, description="Put the prompt of every request into the log.")
    otlp_endpoint: str | None = Field(
        default=None,
        description="The base address of an OpenTelemetry collector that takes traces by OTLP over HTTP, such as "
        "http://collector:4318. Default: what OTEL_EXPORTER_OTLP_ENDPOINT says.",
    )

    audit_log: str | None = Field(
        default=None,
        min_length=1,
        description="Where every image gets its line: a file, or redis for a stream in redis_url. {replica} in the "
        "file's name is the replica's. Default: none.",
    )
    audit_replica: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
        description="The name of this process's chain in files. Default: the machine's.",
    )
    audit_prompts: Literal["full", "digest", "none"] = Field(
        default="full", description="What the audit log keeps of prompts: the text, its SHA-256, or nothing."
    )
    audit_required: bool = Field(
        default=True, description="Whether no image is served that the audit log could not take."
    )
    audit_max_file_bytes: int = Field(
        default=100 * 1024 * 1024, ge=1, description="Size at which the audit log goes on in another file."
    )
    audit_fsync: bool = Field(
        default=True, description="Whether a line is on the disk before its image is served."
    )

    prompts_in_images: bool = Field(
        default=False, description="Whether the metadata of image files say the prompt."
    )
    png_compression: int = Field(
        default=PNG_COMPRESSION,
        ge=0,
        le=9,
        description="How hard it is tried to make PNG files small, 0 to 9; each is the same picture.",
    )
    c2pa_certificate: FilePath | None = Field(
        default=None,
        description="A PEM file with the certificate that image files are signed with, then those that issued it. "
        "Default: none, and no C2PA manifest.",
    )
    c2pa_key: FilePath | None = Field(
        default=None, description="A PEM file with the certificate's private key, not encrypted."
    )
    c2pa_algorithm: Literal["auto", "es256", "es384", "es512", "ps256", "ps384", "ps512", "ed25519"] = Field(
        default="auto", description="How image files are signed; auto takes what fits the key."
    )
    c2pa_timestamp_url: str | None = Field(
        default=None,
        pattern=r"^https?://",
        description="An RFC 3161 timestamp authority, asked for each image file. Default: none.",
    )
    cors_origins: tuple[Origin, ...] = Field(
        default=(), description="The origins whose pages may ask from browsers. Default: none; * is all."
    )

    timeout_s: float = Field(
        default=300.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds that a request has whose client waits, where it names none.",
    )
    max_timeout_s: float = Field(
        default=3600.0,
        gt=0,
        allow_inf_nan=False,
        description="Most seconds that such a request may be given.",
    )
    header_timeout_s: float = Field(
        default=20.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds in which a request's head has to arrive.",
    )
    body_timeout_s: float = Field(
        default=30.0, gt=0, allow_inf_nan=False, description="Seconds in which its body has to arrive."
    )
    read_timeout_s: float = Field(
        default=30.0,
        gt=0,
        allow_inf_nan=False,
        description="Seconds after which a client that reads nothing of its answer is cut off.",
    )
    max_connections: int = Field(
        default=900, ge=1, description="Connections that are open at once; one more is answered 503."
    )
    grace_s: float = Field(
        default=25.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds that what has begun has to finish in once the process is told to end.",
    )
    drain_delay_s: float = Field(
        default=5.0,
        ge=0,
        allow_inf_nan=False,
        description="Seconds of them in which new requests are served, for whoever sends them to hear of it.",
    )

    @field_validator("lexicon")
    @classmethod
    def _lexicon_can_be_read(cls, lexicon: Path | None) -> Path | None:
        if lexicon is not None:
            load_lexicon(lexicon)
        return lexicon

    @field_validator("phrases")
    @classmethod
    def _phrases_can_be_read(cls, phrases: Path | None) -> Path | None:
        if phrases is not None:
            load_patterns(phrases)
        return phrases

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, redis_url: SecretStr | None) -> SecretStr | None:
        if redis_url is not None:
            check_address(redis_url.get_secret_value())
        return redis_url

    @field_validator("vector_store")
    @classmethod
    def _vector_store_can_be_opened(cls, vector_store: str | None) -> str | None:
        if vector_store is not None:
            check_vector_store(vector_store)
        return vector_store

    @field_validator("policies")
    @classmethod
    def _policies_have_their_names(cls, policies: dict[str, Policy]) -> dict[str, Policy]:
        for name, policy in policies.items():
            if policy.name not in (None, name):
                raise ValueError(f"The policy {name!r} calls itself {policy.name!r}. Leave its name out.")
        return {name: policy.model_copy(update={"name": name}) for name, policy in policies.items()}
