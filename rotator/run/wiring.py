"""From declarations to things that work: the only module that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from rotator import kinds
from rotator.clients.meter import REFERENCE, VAULT
from rotator.core.machine import Policy
from rotator.core.request import Request
from rotator.core.timing import Windows
from rotator.credentials.oauth_client import OAuthClient
from rotator.engine.accepting import Acceptance, AcceptingHolder
from rotator.engine.confirmation import Confirmation
from rotator.engine.delivery import Delivery
from rotator.engine.fleet import LOOK_EVERY, Fleet
from rotator.engine.fleet import Shown as ShownFences
from rotator.engine.guard import Run
from rotator.engine.installation import Installation
from rotator.engine.probing import Probing
from rotator.engine.proof import PATIENCE, Proof
from rotator.engine.rotation import Declared, Existing, Rotation
from rotator.errors import Forbidden
from rotator.kinds import Address
from rotator.late import Late
from rotator.policy.model import ROTATE, RotationPolicy
from rotator.policy.model import Holder as HolderPolicy
from rotator.policy.model import Verifier as VerifierPolicy
from rotator.policy.rules import cannot_overlap, providers
from rotator.ports import Credential, Gate, Login, Party, Provider, Readers, Seen, Store, Target
from rotator.ports.stamp import Signature
from rotator.systems import registry
from rotator.systems.accepting_holders import accept_two
from rotator.systems.at import At, Wired, client_login, target
from rotator.systems.document import Document as Published
from rotator.systems.gate import GateAt
from rotator.systems.gateway import Gateway
from rotator.systems.holders import Mapped
from rotator.systems.istio import Istio
from rotator.systems.kong import Kong
from rotator.systems.kubernetes.lease import LEASE_DURATION, KubernetesLeases, forget_deeds
from rotator.systems.kubernetes.readers import Source
from rotator.systems.kubernetes.replicas import Replicas, ServingLease
from rotator.systems.kubernetes.rereading import Rereading
from rotator.systems.kubernetes.rollout import COPIES, Rollout, Which
from rotator.systems.kubernetes.target import KubernetesObject
from rotator.systems.kubernetes.workloads import annotation_key
from rotator.systems.shared_set import SharedJwkSet
from rotator.systems.static import StaticPlace
from rotator.systems.vault.target import VaultPath
from rotator.systems.world import CONCURRENCY, World
from rotator.vocabulary.credential import Beside
from rotator.vocabulary.footprint import Document, Place, Use, VaultCall
from rotator.vocabulary.places import Restart

if TYPE_CHECKING:
    from rotator.systems.gateway import probe
    from rotator.systems.istio import target as istio_target
    from rotator.systems.kong import client as kong_client
    from rotator.systems.kubernetes import store as kubernetes_store
    from rotator.systems.vault import store as vault_store
else:
    probe = Late("rotator.systems.gateway.probe")
    istio_target = Late("rotator.systems.istio.target")
    kong_client = Late("rotator.systems.kong.client")
    kubernetes_store = Late("rotator.systems.kubernetes.store")
    vault_store = Late("rotator.systems.vault.store")

LISTED = (kinds.CONFIG_MAP, kinds.SECRET)
"""The kinds of targets that are listed to see in one request whether somebody wrote to them."""
LONGEST_SHOWN = 60
"""Characters of a template that a step shows."""
SHOWN = "value"
"""The field under which a provider shows the value in use."""


def fleet(  # noqa: PLR0913 - what the command line may ask
    w: World,
    *,
    act: bool,
    concurrency: int = CONCURRENCY,
    lease: timedelta = LEASE_DURATION,
    listed: Collection[kinds.Kind] = LISTED,
    look_every: timedelta = LOOK_EVERY,
    tell_last: bool = False,
    finished: Callable[..., None] = lambda _: None,
    under_way: Callable[..., None] = lambda _: None,
) -> Fleet:
    """Return the fleet runner of one run."""
    run = Run(
        clock=w.clock,
        identity=w.identity,
        deadline=w.deadline,
        act=act,
        ahead=act or not tell_last,
    )
    leases = KubernetesLeases(w.kubernetes, w.clock, w.identity, lease)
    return Fleet(
        run=run,
        leases=leases,
        fences=lambda rotations: shown_fences(w, rotations, listed),
        concurrency=concurrency,
        look_every=look_every,
        tell_last=tell_last,
        finished=finished,
        under_way=under_way,
        span=w.span,
    )


def declared(
    w: World,
    policy: RotationPolicy,
    *,
    request: Request | None = None,
    leaving: bool = False,
    ending: bool = False,
) -> Declared:
    """Return one declared rotation, to be wired when it is due. `request`: what is asked for in this run only.

    Who asks others is wired at once: a run ends before it begins where settings or files for that are wrong.
    """
    if ending:
        w = w.as_it_ends(policy.metadata.namespace)
    delivered = list(_delivered(policy))
    _connect(w, [*_kept(policy), *delivered])
    wire = partial(rotation, w, policy, request=request)
    called: tuple[str, ...] = ()
    if _asks_others(policy):
        wired = wire()
        wire, called = partial(_as_it_is, wired), _called(wired)
    return Declared(
        ref=policy.ref,
        kind=policy.kind_name,
        digest=policy.digest,
        every=policy.spec.every,
        delivered=delivered,
        called=called,
        wire=wire,
        request=_asked(w, policy, request),
        leaving=leaving,
        ending=ending,
    )


def _delivered(policy: RotationPolicy) -> Iterator[Place]:
    """Yield the places of the documents of those who accept, and of those who use."""
    home, spec = policy.home, policy.spec
    yield from (v.document.place(home) for v in spec.verifiers if v.document)
    yield from (v.one.address(home) for v in spec.verifiers if isinstance(v.one, Istio))
    yield from (place for holder in spec.holders for place in holder.one.places(home))


def _kept(policy: RotationPolicy) -> Iterator[Place]:
    """Yield where the ring is, and where a credential is taken over from."""
    home, taken = policy.home, policy.spec.take_over
    yield policy.spec.store.place(home)
    if taken and (found := taken.vault or taken.secret):
        yield found.at(home)[0]


def _connect(w: World, places: Iterable[Place]) -> None:
    """Connect the systems of these places: what is wrong with their settings is said before anything is begun."""
    for place in places:
        _ = w.vault if isinstance(place, Document) else w.kubernetes


def _asks_others(policy: RotationPolicy) -> bool:
    """Whether anybody is asked beside Kubernetes and Vault's documents: a provider, a gate, or whoever a client logs in at."""
    spec = policy.spec
    gates = [*spec.gates.before_activate, *spec.gates.before_destroy]
    gateways = any(isinstance(v.one, Gateway | Kong) for v in spec.verifiers)
    return bool(gates or gateways or providers(policy)) or isinstance(spec.credential.one, OAuthClient)


def _called(wired: Rotation) -> tuple[str, ...]:
    """Return the labels of what is changed by calls."""
    others = (party for party in (*wired.verifiers, *wired.holders) if not isinstance(party, Delivery))
    return tuple(label for party in others for label in party.fences())


def _as_it_is(wired: Rotation) -> Rotation:
    return wired


def rotation(w: World, policy: RotationPolicy, *, request: Request | None = None) -> Rotation:
    """Wire one declared rotation to the systems it concerns."""
    credential, outage = credential_of(policy), policy.spec.outage
    windows = Windows(
        every=policy.spec.every,
        lead=policy.lead,
        overlap=policy.overlap.total,
        converge=policy.converge + w.landing + (COPIES if _restarts_pods(policy) else timedelta()),
        first_lead=policy.waits_at_first,
        forget=policy.forget,
    )
    installed = list(_installed(w, policy))
    holders = list(_holders(w, policy, credential))
    return Rotation(
        ref=policy.ref,
        policy=Policy(
            windows=windows,
            spec=credential.spec,
            request=_asked(w, policy, request),
            outage=outage.weekly if outage else None,
        ),
        check_clocks=lambda: w.meter.check_skew(policy.spec.overlap.clock_skew, _timed_by(policy)),
        credential=credential,
        store=_store(w, policy.spec.store.place(policy.home)),
        verifiers=_verifiers(w, policy, credential, installed, holders),
        holders=[*holders, *(Installation(i.signer) for i in installed if i.signer)],
        existing=_existing(w, policy, installed),
        before_activate=_gates(w, policy, "before_activate"),
        before_destroy=_gates(w, policy, "before_destroy"),
        asked_again=request is None,
        unseen=partial(_unseen, w, policy),
    )


def _asked(w: World, policy: RotationPolicy, request: Request | None) -> Request | None:
    """Return what is asked for: of this run, else by the annotation."""
    if request:
        return replace(request, by=w.identity)
    return Request(reason=policy.asked_for, by=f"annotation {ROTATE}") if policy.asked_for else None


def _timed_by(policy: RotationPolicy) -> frozenset[str]:
    """Return the systems whose clocks a rotation counts on: that of one that it does not use stops nobody."""
    vault = any(isinstance(touch.thing, Document | VaultCall) for _, touch in policy.footprint)
    return frozenset({REFERENCE, VAULT} if vault else {REFERENCE})


def _unseen(w: World, policy: RotationPolicy) -> str:
    """Say of which mounts in Vault that are to keep something of ours this login may not read the settings; empty: of none."""
    mounts = {
        thing.mount
        for _, (thing, use, _) in policy.footprint
        if isinstance(thing, Document) and use is not Use.READ
    }
    return w.vault.unseen(mounts) if mounts else ""


def _restarts_pods(policy: RotationPolicy) -> bool:
    """Whether a holder's pods are restarted that a kubelet hands a Secret: some of them may have to wait for its copy."""
    return any(h.one.referenced and h.restart for h in policy.spec.holders)


def credential_of(policy: RotationPolicy) -> Credential:
    """Return the credential kind that a policy asks for."""
    taken = policy.spec.take_over
    made_there = any(provider.makes for provider in providers(policy))
    beside = Beside(encoding=taken.encoding if taken else None, made_by_provider=made_there)
    return registry.maker(policy.spec.credential.one, beside)


def _store(w: World, place: Place) -> Store:
    if isinstance(place, Document):
        return vault_store.VaultStore(w.vault, place.mount, place.path)
    return kubernetes_store.KubernetesStore(w.kubernetes, place)


# --- those who accept --------------------------------------------------------------------------------------------


def _installed(w: World, policy: RotationPolicy) -> Iterator[Wired]:
    """Yield the providers among the verifiers."""
    spec = policy.spec
    lasts = policy.lead + policy.converge + policy.overlap.total
    for declared in providers(policy):
        at = At(w, declared, policy.home, spec.credential.one, every=spec.every, lasts=lasts)
        yield replace(registry.build(declared, at), offer=at.offer)


def _verifiers(
    w: World,
    policy: RotationPolicy,
    credential: Credential,
    installed: Sequence[Wired],
    holders: Sequence[Party],
) -> list[Party]:
    """Wire all verifiers: documents and providers, what proves what they accept, and holders that accept what they use."""
    one_slot = cannot_overlap(policy)
    return [
        *(_document(w, policy, credential, v, v.document) for v in policy.spec.verifiers if v.document),
        *(_rule(w, policy, credential, v.one) for v in policy.spec.verifiers if isinstance(v.one, Istio)),
        *(_consumer(w, policy, credential, v.one) for v in policy.spec.verifiers if isinstance(v.one, Kong)),
        *(Installation(each.provider, offer=each.offer, one_slot=one_slot) for each in installed),
        *_proofs(w, policy, [each.login for each in installed if each.login]),
        *(Acceptance(holder) for holder in holders if isinstance(holder, AcceptingHolder)),
        *(
            _probing(w, policy, credential, v.one)
            for v in policy.spec.verifiers
            if isinstance(v.one, Gateway)
        ),
    ]


def _consumer(w: World, policy: RotationPolicy, credential: Credential, declared: Kong) -> Installation:
    return Installation(kong_client.build(w.kubernetes, declared, policy.home, credential))


def _rule(w: World, policy: RotationPolicy, credential: Credential, declared: Istio) -> Delivery:
    """Wire the JWK Set of an issuer in a mesh: a shared one, for others may have keys there."""
    at, signature = declared.address(policy.home), Signature(policy.ref)
    rule = istio_target.IssuerRule(w.kubernetes, at, signature, issuer=declared.issuer)
    part = SharedJwkSet(rule, credential, istio_target.FIELD, w.clock)
    return Delivery(
        name=at.label,
        target=part,
        render=part,
        beside=part.beside,
        clock=w.clock,
        landing=w.landing,
        lands_within=w.retry.landing,
        accepts=True,
        once_more=forget_deeds(policy.ref),
    )


def _probing(w: World, policy: RotationPolicy, credential: Credential, declared: Gateway) -> Probing:
    return Probing(probe.build(w, declared, policy.home, credential), w.clock, declared.times)


def _document(
    w: World, policy: RotationPolicy, credential: Credential, declared: VerifierPolicy, published: Published
) -> Delivery:
    place = published.place(policy.home)
    document = target(w, place, policy.ref if published.is_shared else "")
    part, render, beside = published.part(document, credential, w.clock)
    return Delivery(
        name=policy.staleness(declared).verifier,
        target=part,
        render=render,
        beside=beside,
        clock=w.clock,
        landing=w.landing,
        lands_within=w.retry.landing,
        readers=_readers(w, policy, declared, document),
        accepts=True,
        once_more=forget_deeds(policy.ref),
    )


SAYS = f"{kinds.PREFIX}/accepts"
"""The annotation by which whoever installs versions says which are accepted now: their ids, with commas between."""


def _proofs(w: World, policy: RotationPolicy, logins: Sequence[Login]) -> Iterator[Party]:
    """Yield those who see what is accepted: by a login, or because somebody says so."""
    by_hand = next((v.one for v in policy.spec.verifiers if isinstance(v.one, StaticPlace)), None)
    client = policy.spec.credential.one
    if by_hand and by_hand.confirmed_by == "Annotation":
        yield _confirmation(target(w, by_hand.place(policy.home)))
    elif isinstance(client, OAuthClient):
        patience = None if by_hand else max(PATIENCE, policy.least_lead.total)
        yield Proof(client_login(w, client), w.clock, client.login.times, patience=patience)
    yield from (Proof(login, w.clock, times=1) for login in logins)


def _confirmation(document: Target) -> Confirmation:
    if not isinstance(document, KubernetesObject):
        raise TypeError(f"{document.label} has no annotations")  # a check of the policy refuses it

    def said() -> frozenset[str]:
        return frozenset(
            part.strip() for part in (document.annotation(SAYS) or "").split(",") if part.strip()
        )

    how = f"kubectl annotate --overwrite --namespace {document.address.namespace} secret {document.address.name} {SAYS}={{ids}}"
    return Confirmation(name=f"confirmation on {document.label}", said=said, how=how)


# --- those who use -----------------------------------------------------------------------------------------------


def _holders(w: World, policy: RotationPolicy, credential: Credential) -> Iterator[Delivery]:
    for declared in policy.spec.holders:
        for place in declared.one.places(policy.home):
            yield _holder(w, policy, credential, declared, place)


def _holder(
    w: World, policy: RotationPolicy, credential: Credential, declared: HolderPolicy, place: Place
) -> Delivery:
    document = target(w, place, meta=declared.one.meta)
    kind = AcceptingHolder if accept_two(policy) else Delivery
    return kind(
        name=document.label,
        target=document,
        render=Mapped(
            credential, declared.one.mapping(policy.spec.credential.one.fields), declared.one.texts_given
        ),
        clock=w.clock,
        landing=w.landing,
        lands_within=w.retry.landing,
        pick_up=declared.picks_up_within,
        shape=partial(_shape, declared.one.asked),
        readers=_readers(w, policy, declared, document),
        once_more=forget_deeds(policy.ref),
    )


def _shape(asked: Mapping[str, str]) -> str:
    """Return what a holder is handed, as it is declared: `key = private_key|pkcs1, kid = kid`. Long templates are cut."""
    short = {
        name: ours if len(ours) <= LONGEST_SHOWN else f"{ours[:LONGEST_SHOWN]}…"
        for name, ours in asked.items()
    }
    return ", ".join(f"{name} = {ours}" for name, ours in short.items())


def _readers(
    w: World,
    policy: RotationPolicy,
    declared: VerifierPolicy | HolderPolicy,
    document: KubernetesObject | VaultPath,
) -> Readers | None:
    """Return who reads a document: to be restarted, or looked at where a kubelet hands it to them."""
    at = document.address if isinstance(document, KubernetesObject) else None
    home, role, pick_up = policy.metadata.namespace, "accepts", None
    if isinstance(declared, HolderPolicy):
        role, pick_up = "holds", declared.picks_up_within
    elif declared.document and declared.document.namespace:
        home = declared.document.namespace
    readers: Readers | None = None
    if declared.restart:
        readers = _rollout(w, annotation_key(policy.ref, role, document.label), declared.restart, at, home)
    elif at:
        readers = Rereading(w.kubernetes, w.clock, at, pick_up or COPIES)
    if isinstance(declared, VerifierPolicy) and declared.document and declared.document.serving:
        lease, age = ServingLease(w.kubernetes, policy.ref), declared.document.max_age or timedelta()
        awaited = tuple(reader.name for reader in declared.document.serving.readers or ())
        return Replicas(lease, w.clock, document.label, age, readers, awaited)
    return readers


_WORKLOADS = {kind.name: kind for kind in kinds.WORKLOADS}


def _rollout(w: World, key: str, restart: Restart, at: Address | None, home: str) -> Rollout:
    selector = ""
    named: tuple[tuple[kinds.Kind, str], ...] = ()
    if isinstance(restart.workloads, list):
        named = tuple((_WORKLOADS[workload.kind], workload.name) for workload in restart.workloads)
    elif restart.workloads != "auto":
        selector = ",".join(f"{k}={v}" for k, v in sorted(restart.workloads.match_labels.items()))
    return Rollout(
        api=w.kubernetes,
        clock=w.clock,
        key=key,
        which=Which(
            namespace=at.namespace if at else home,
            source=Source(at.kind, at.name) if at else None,
            selector=selector,
            named=named,
        ),
        soak=restart.soak,
        at_once=restart.at_once,
        timeout=restart.timeout,
    )


def _existing(w: World, policy: RotationPolicy, installed: Sequence[Wired]) -> Existing | None:
    declared = policy.spec.take_over
    if declared is None:
        return None
    if found := declared.vault or declared.secret:
        place, name = found.at(policy.home)
        return Existing(target(w, place), name, declared.kid)
    return Existing(Shown(installed[0].provider), SHOWN, declared.kid)


@dataclass(frozen=True)
class Shown:
    """The value in use, as the provider shows it."""

    provider: Provider

    @property
    def label(self) -> str:
        """The provider's label."""
        return self.provider.label

    def read(self, names: Sequence[str]) -> Seen | None:
        """Ask the provider; the value stands under the first of `names`."""
        value = self.provider.current()
        return Seen(fields={names[0]: value}, stamp=None, fence="") if value else None


def _gates(w: World, policy: RotationPolicy, which: str) -> list[Gate]:
    if not (declared := getattr(policy.spec.gates, which)):
        return []
    at = GateAt(lambda ca_file: w.http(ca_file=ca_file), policy.lead, w.clock)
    return [gate.one.build(at) for gate in declared]


# --- what lists show ---------------------------------------------------------------------------------------------


def _no_fence(*_: object) -> None:
    """Show no fence of what is odd, so that its rotation looks at it."""


def shown_fences(w: World, rotations: Sequence[Declared], listed: Collection[kinds.Kind]) -> ShownFences:
    """Return what lists show of the targets: one list of metadata a kind and namespace, and no secret is read."""
    places = [place for rotation in rotations for place in rotation.delivered]
    groups: dict[tuple[kinds.Kind, str], set[str]] = {}
    for place in places:
        if isinstance(place, Address) and place.kind in listed:
            groups.setdefault((place.kind, place.namespace), set()).add(place.label)
    fences: dict[str, str] = {}
    covered: set[str] = set()
    for (kind, namespace), wanted in sorted(groups.items(), key=lambda group: str(group[0])):
        try:
            fences |= _listed(w, kind, namespace, kinds.MARKED)
            if wanted - fences.keys():  # before 0.1.0 all was marked as if rotator had made it
                fences |= _listed(w, kind, namespace, kinds.MANAGED)
        except Forbidden:
            continue
        covered |= wanted
    unlisted = {place.label for place in places} - covered
    return ShownFences(fences, frozenset(unlisted.union(*(rotation.called for rotation in rotations))))


def _listed(w: World, kind: kinds.Kind, namespace: str, selector: str) -> dict[str, str]:
    found = w.kubernetes.list(kind, namespace, selector=selector, metadata_only=True, odd=_no_fence)
    shown = (o["metadata"] for o in found)
    return {Address(kind, namespace, m["name"]).label: m["resourceVersion"] for m in shown}
