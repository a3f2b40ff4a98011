"""The catalogue: what new requests get is what is configured and what is on the shelf, one whole at any moment.

Entry point: `Catalogue`. Every change makes another `LoadedModel`, which takes the place of the
one before at once; what was planned keeps its versions.
"""

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from service.catalogue_version import CatalogueVersion, version_of
from service.configured import ConfiguredPolicies
from service.errors import (
    AgainstPoliciesError,
    NeededVectorError,
    PolicyReloadError,
    StateUnavailableError,
    UnknownVectorError,
)
from service.following import Unfollowed
from service.generation import Generation
from service.loading import LoadedModel, check_configured
from service.settings import Settings, SettingsError
from service.shelved import ShelvedLibrary
from service.state.shared import SharedState
from service.stock import Key, Shelved, Stock
from service.uploads import check_vector, read_upload
from vectors import StoredVector
from vectors.names import Reference

logger = logging.getLogger(__name__)

RELOADED: Final = ("policies", "policy_folder", "default_policy", "floor", "tenants")
"""The settings that are read again without a restart."""


class Catalogue:
    """Keeps `generation.loaded` to what is configured and published; its calls block, and are made one after another.

    Where the shared state cannot be reached they raise StateUnavailableError and change nothing: new requests get what
    they got before.
    """

    def __init__(self, generation: Generation, settings: Settings, shared: SharedState) -> None:
        self._generation = generation
        self._settings = settings
        self._shelf, self._blobs = shared.shelf, shared.blobs
        self._folder = TemporaryDirectory(prefix="trimtab-vectors-")
        engine = generation.loaded.engine
        library = ShelvedLibrary(
            Path(self._folder.name),
            engine.vectors,
            self._shelf,
            self._blobs,
            lambda vector: check_vector(vector, generation.loaded),
        )
        engine.vectors = library
        self._stock = Stock(library, self._shelf, self._blobs)
        self._lock = threading.Lock()
        self._known = Shelved()
        self._broken: Mapping[Key, Exception] = {}
        self._refused: Sequence[Unfollowed] = ()

    @property
    def revision(self) -> int | None:
        """The revision of the shelf as it is known here; None where it was never read."""
        return self._known.revision

    @property
    def is_whole(self) -> bool:
        """Whether all of the shelf that is to be served is."""
        return not self._broken and not self._refused

    def open(self) -> None:
        """Begin with what is on the shelf, or where it cannot be reached with the configured library alone.

        Raises LoadFailedError where a configured policy cannot be followed with it, StateUnavailableError where what
        cannot be reached now could change that.
        """
        with self._lock:
            loaded = self._generation.loaded
            try:
                self._known = self._stock.read(self._known)
            except StateUnavailableError:
                if loaded.unfollowed():
                    raise
                logger.warning("The shelf cannot be reached: the configured library is served alone.")
                return
            vectors, self._broken = self._stock.vectors(self._known, loaded.vectors)
            self._tell_broken({})
            loaded = loaded.with_vectors(vectors)
            if loaded.unfollowed():
                for error in self._broken.values():
                    if isinstance(error, StateUnavailableError):
                        raise error
            check_configured(loaded, f"{self._stock.library.configured.root} and on the shelf")
            self._generation.loaded = loaded

    def poll(self) -> None:
        """Serve what the shelf says now, where it changed."""
        with self._lock:
            if self._shelf.revision() != self._known.revision:
                self._refresh()

    def try_again(self) -> None:
        """Serve what the shelf says now, with what could not be served before."""
        with self._lock:
            self._refresh()

    def publish(self, content: bytes) -> CatalogueVersion:
        """Publish an uploaded file as the next version of its concept, and return that; the same file is the same one.

        Raises what `read_upload` raises, and AgainstPoliciesError where configured policies could not be followed with
        it.
        """
        upload = read_upload(content, self._generation.loaded, self._settings.max_vector_norm)
        name = upload.vector.concept
        with self._lock:
            self._refresh()
            loaded = self._generation.loaded
            above = max(self._stock.library.configured.versions(name), default=0)
            trial = StoredVector(name, above + 1, Path(), upload.vector)
            problems = loaded.with_vectors({**loaded.vectors, name: trial}).unfollowed()
            if problems:
                raise AgainstPoliciesError(
                    f"With this vector of {name!r} configured policies could not be followed. {_told(problems)}",
                    value=name,
                    cure="Send another, or change the policies and reload them first.",
                )
            self._blobs.put(upload.digest, content)
            version = self._shelf.publish(name, upload.digest, above)
            self._refresh()
            return self._version((name, version))

    def retire(self, name: str, version: int | None = None) -> list[CatalogueVersion]:
        """Have new requests get this version no more, or none of the concept's; return what was retired by it.

        Raises UnknownVectorError where there is no such version, NeededVectorError where configured policies could not
        be followed without it.
        """
        with self._lock:
            self._refresh()
            there = [key for key in self._stock.keys(self._known) if key[0] == name]
            chosen = there if version is None else [key for key in there if key[1] == version]
            if not chosen:
                wanted = str(Reference(name, version))
                raise UnknownVectorError(
                    f"There is no vector {wanted!r}.",
                    field="version" if there else "name",
                    value=wanted,
                    cure="GET /admin/vectors lists all versions.",
                )
            entries = self._known.entries
            doomed = [key for key in chosen if key not in entries or not entries[key].retired]
            if doomed:
                without = self._known.retired(doomed, self._stock.library)
                self._check_needless(name, without)
                unknown = [key for key in doomed if key not in entries]
                if unknown:
                    self._shelf.record([without.entries[key] for key in unknown])
                if len(unknown) < len(doomed):
                    self._shelf.retire(name, version)
                self._refresh()
            return [self._version(key) for key in doomed]

    def reload_policies(self) -> list[str]:
        """Read the policies again and have all replicas do so; return what else changed in the settings: it waits.

        Raises PolicyReloadError where something is wrong with the settings, and keeps what is there.
        """
        with self._lock:
            self._refresh()
            try:
                settings = self._settings.read_again()
            except SettingsError as error:
                raise PolicyReloadError(str(error), cure="The policies stay as they were.") from error
            candidate = replace(self._generation.loaded, policies=settings.configured_policies)
            problems = candidate.unfollowed()
            if problems:
                raise PolicyReloadError(_told(problems), cure="The policies stay as they were.")
            self._known = replace(self._known, policies_revision=self._shelf.bump())
            self._serve(candidate)
        return _waiting(self._settings, settings)

    def versions(self) -> list[CatalogueVersion]:
        """Return all versions as this replica knows them, by name and version."""
        return [self._version(key) for key in self._stock.keys(self._known)]

    def served(self, name: str) -> str | None:
        """Return which version of a concept new requests get; None where they get none."""
        stored = self._generation.loaded.vectors.get(name)
        return None if stored is None else stored.reference

    def close(self) -> None:
        """Remove the files that were taken from the shelf."""
        with self._lock:
            self._folder.cleanup()

    def _refresh(self) -> None:
        """Read the shelf and serve what it says, unless a configured policy could not be followed then."""
        shelved = self._stock.read(self._known)
        before = self._generation.loaded
        vectors, broken = self._stock.vectors(shelved, before.vectors)
        choices = [before.policies]
        if shelved.policies_revision > self._known.policies_revision:
            choices = [*self._policies_again(), *choices]
        refused: list[Unfollowed] = []
        for policies in choices:
            loaded = replace(before, policies=policies).with_vectors(vectors)
            problems = loaded.unfollowed()
            if not problems:
                self._serve(loaded)
                break
            refused += problems
        if refused and _told(refused) != _told(self._refused):
            logger.error("A change of what is published or configured is not served: %s", _told(refused))
        known_to_be_broken = self._broken
        self._known, self._broken, self._refused = shelved, broken, refused
        self._tell_broken(known_to_be_broken)

    def _serve(self, loaded: LoadedModel) -> None:
        """Let new requests have this, and the engine the tenants' shares in it, for what waits already too."""
        if loaded.policies.tenants != self._generation.loaded.policies.tenants:
            loaded.engine.set_weights(loaded.policies.shares)
        self._generation.loaded = loaded

    def _tell_broken(self, before: Mapping[Key, Exception]) -> None:
        for key in self._broken.keys() - before.keys():
            logger.error("%s@%d is not served: %s", *key, self._broken[key])

    def _policies_again(self) -> list[ConfiguredPolicies]:
        """Return the policies as they are configured now, or nothing where something is wrong with them."""
        try:
            return [self._settings.read_again().configured_policies]
        except SettingsError as error:
            logger.error("The policies stay as they were: %s", error)
            return []

    def _check_needless(self, name: str, without: Shelved) -> None:
        """Raise NeededVectorError where configured policies could not be followed with what would be left."""
        loaded = self._generation.loaded
        vectors, _ = self._stock.vectors(without, loaded.vectors)
        problems = loaded.with_vectors(vectors).unfollowed()
        if problems:
            raise NeededVectorError(
                f"Without it configured policies could not be followed. {_told(problems)}",
                value=name,
                cure="Change the policies and reload them first, or publish another version.",
            )

    def _version(self, key: Key) -> CatalogueVersion:
        name, _ = key
        served = self._generation.loaded.vectors.get(name)
        return version_of(key, self._known.entries.get(key), served, self._broken, _told(self._refused))


def _waiting(before: Settings, after: Settings) -> list[str]:
    """Return the settings that differ and are not read again without a restart."""
    fields = [name for name in Settings.model_fields if name not in RELOADED]
    return [name for name in fields if getattr(before, name) != getattr(after, name)]


def _told(problems: Sequence[Unfollowed]) -> str:
    return " ".join(str(problem) for problem in problems)
