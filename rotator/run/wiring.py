"""From declarations to things that work: the only module that knows every part."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import timedelta
from functools import partial

from rotator import kinds
from rotator.clients.meter import REFERENCE, VAULT
from rotator.core.machine import Policy
from rotator.core.timing import Windows
from rotator.engine.delivery import Delivery, Render
from rotator.engine.fleet import LOOK_EVERY, Fleet, Shown
from rotator.engine.guard import Run
from rotator.engine.lease import LEASE_DURATION, Leases
from rotator.engine.readers import Source
from rotator.engine.rereading import Rereading
from rotator.engine.rollout import COPIES, Rollout, Which
from rotator.engine.rotation import Existing, Rotation
from rotator.engine.workloads import annotation_key
from rotator.errors import Forbidden
from rotator.holders.mapping import Mapped, current_and_previous
from rotator.policy.model import AcceptedListPlace, JwksPlace, Place, Restart, RotationPolicy, StaticPlace
from rotator.policy.model import Gate as GatePolicy
from rotator.policy.model import Holder as HolderPolicy
from rotator.policy.model import Verifier as VerifierPolicy
from rotator.policy.vault_access import grants
from rotator.ports import Credential, Gate, Party, Store, Target
from rotator.targets.kubernetes import KubernetesObject
from rotator.targets.vault import VaultPath
from rotator.verifiers.accepted_list import AcceptedList
from rotator.verifiers.jwks import Jwks
from rotator.world import CONCURRENCY, World

LISTED = (kinds.CONFIG_MAP, kinds.SECRET)
"""The kinds of targets that are listed to see in one request whether somebody wrote to them."""
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
    leases = Leases(w.kubernetes, w.clock, w.identity, lease)
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


def rotation(
    w: World,
    policy: RotationPolicy,
    *,
    request: str | None = None,
    leaving: bool = False,
    ending: bool = False,
) -> Rotation:
    """Wire one declared rotation. `request`: why it is to begin now, for this run only."""
    if ending:
        w = w.as_it_ends(policy.metadata.namespace)
    credential, outage = credential_of(policy), policy.spec.outage
    windows = Windows(
        every=policy.spec.every,
        lead=policy.lead,
        overlap=policy.overlap.total,
        converge=policy.converge + w.landing + (COPIES if _restarts_pods(policy) else timedelta()),
        first_lead=policy.waits_at_first,
    )
    mounts = _mounts(policy)
    return Rotation(
        ref=policy.ref,
        labels=policy.metadata.labels,
        kind=policy.kind_name,
        digest=policy.digest,
        policy=Policy(
            windows=windows,
            spec=credential.spec,
            request=request or policy.asked_for,
            outage=outage.weekly if outage else None,
        ),
        check_clocks=partial(w.meter.check_skew, policy.spec.overlap.clock_skew, _timed_by(policy)),
        credential=credential,
        store=_store(w, policy),
        verifiers=_verifiers(w, policy, credential),
        holders=_holders(w, policy, credential),
        existing=_existing(w, policy),
        before_activate=[_gate(w, policy, g) for g in policy.spec.gates.before_activate],
        before_destroy=[_gate(w, policy, g) for g in policy.spec.gates.before_destroy],
        asked_again=request is None,
        unseen=lambda: w.vault.unseen(mounts) if mounts else "",
        leaving=leaving,
        ending=ending,
    )


def _timed_by(policy: RotationPolicy) -> frozenset[str]:
    """Return the systems whose clocks a rotation counts on: that of one that it does not use stops nobody."""
    return frozenset({REFERENCE, *({VAULT} if grants([policy]) else ())})


def _mounts(policy: RotationPolicy) -> set[str]:
    """Return the mounts in Vault at which something of ours is to be kept."""
    spec = policy.spec
    verifiers = [v.place.vault for v in spec.verifiers if v.place]
    places = [spec.store.vault, *verifiers, *(h.vault for h in spec.holders)]
    return {place.mount for place in places if place}


def _restarts_pods(policy: RotationPolicy) -> bool:
    """Whether a holder's pods are restarted that a kubelet hands a Secret: some of them may have to wait for its copy."""
    return any(h.secret and h.restart for h in policy.spec.holders)


def credential_of(policy: RotationPolicy) -> Credential:
    """Return the credential kind that a policy asks for."""
    declared = policy.spec.credential
    if key := declared.jwt_signing_key:
        from rotator.credentials.jwt_signing_key import JwtSigningKey  # noqa: PLC0415 - cryptography is slow to load

        return JwtSigningKey(key.algorithm, key.bits)
    if secret := declared.shared_secret:
        from rotator.credentials.shared_secret import ALPHANUMERIC, SharedSecret  # noqa: PLC0415 - kept with its sibling

        found = policy.spec.take_over.encoding if policy.spec.take_over else None
        return SharedSecret(
            algorithm=secret.algorithm,
            length=secret.length,
            alphabet=secret.alphabet or ALPHANUMERIC,
            size=secret.bytes or 32,
            encoding=secret.encoding,
            found=found,
        )
    from rotator.run.providers import credential_for_provider  # noqa: PLC0415 - only where one is declared

    return credential_for_provider(policy)


def _store(w: World, policy: RotationPolicy) -> Store:
    if vault := policy.spec.store.vault:
        from rotator.stores.vault import VaultStore  # noqa: PLC0415 - hvac only where Vault is used

        return VaultStore(w.vault, vault.mount, vault.path)
    from rotator.stores.kubernetes import KubernetesStore  # noqa: PLC0415 - as above

    return KubernetesStore(w.kubernetes, policy.metadata.namespace, kinds.ring_name(policy.metadata.name))


def _verifiers(w: World, policy: RotationPolicy, credential: Credential) -> list[Party]:
    """Wire all verifiers: documents and providers, and after them the logins that prove what they accept."""
    parties: list[Party] = [
        _document(w, policy, credential, v, place)
        for v in policy.spec.verifiers
        if (place := v.place) is not None
    ]
    if policy.spec.credential.chosen in {"jwt_signing_key", "shared_secret"}:
        return parties
    from rotator.run.providers import installations, proofs  # noqa: PLC0415 - only where one is declared

    installed = list(installations(w, policy))
    return [*parties, *(each.party for each in installed), *proofs(w, policy, installed)]


def _document(
    w: World,
    policy: RotationPolicy,
    credential: Credential,
    declared: VerifierPolicy,
    place: JwksPlace | AcceptedListPlace | StaticPlace,
) -> Delivery:
    namespace = place.namespace or policy.metadata.namespace
    target = _place(w, place, namespace)
    rollout = _rollout(
        w, annotation_key(policy.ref, "accepts", target.label), declared.restart, target, namespace
    )
    return Delivery(
        name=policy.staleness(declared).verifier,
        target=target,
        render=_render(credential, place),
        clock=w.clock,
        landing=w.landing,
        lands_within=w.retry.landing,
        rollout=rollout,
        accepts=True,
        rereading=_rereading(w, declared.restart, target, namespace),
    )


def _render(credential: Credential, place: JwksPlace | AcceptedListPlace | StaticPlace) -> Render:
    if isinstance(place, JwksPlace):
        return Jwks(credential, place.key)
    return AcceptedList(credential, place.key, lines=place.has_lines)


def _place(w: World, place: Place, namespace: str) -> Target:
    if place.vault:
        return VaultPath(w.vault, place.vault.mount, place.vault.path)
    kind = kinds.CONFIG_MAP if place.config_map else kinds.SECRET
    return KubernetesObject(w.kubernetes, kind, namespace, place.config_map or place.secret or "")


def _holders(w: World, policy: RotationPolicy, credential: Credential) -> list[Party]:
    if any(h.keycloak_realm for h in policy.spec.holders):
        from rotator.run.providers import signers  # noqa: PLC0415 - only where one is declared

        return list(signers(w, policy))
    return [d for h in policy.spec.holders for d in _holder(w, policy, credential, h)]


def _holder(
    w: World, policy: RotationPolicy, credential: Credential, declared: HolderPolicy
) -> Iterator[Delivery]:
    fields = policy.spec.credential.fields
    given = declared.secret or declared.vault
    data = given.data if given else None
    default = current_and_previous(fields) if declared.vault else {f: f for f in fields}
    for namespace, target in _holder_targets(w, policy, declared):
        yield Delivery(
            name=target.label,
            target=target,
            render=Mapped(credential, data or default),
            clock=w.clock,
            landing=w.landing,
            lands_within=w.retry.landing,
            pick_up=declared.picks_up_within,
            rollout=_rollout(
                w, annotation_key(policy.ref, "holds", target.label), declared.restart, target, namespace
            ),
            rereading=_rereading(w, declared.restart, target, namespace),
        )


def _holder_targets(w: World, policy: RotationPolicy, declared: HolderPolicy) -> Iterator[tuple[str, Target]]:
    if vault := declared.vault:
        yield policy.metadata.namespace, VaultPath(w.vault, vault.mount, vault.path)
    if secret := declared.secret:
        for namespace in secret.namespaces or [policy.metadata.namespace]:
            yield namespace, KubernetesObject(w.kubernetes, kinds.SECRET, namespace, secret.name)


def _source(target: Target) -> Source | None:
    """Return what pods read, where a kubelet hands it to them; from Vault they fetch it in ways of their own."""
    return Source(target.kind, target.name) if isinstance(target, KubernetesObject) else None


def _rereading(w: World, restart: Restart | None, target: Target, namespace: str) -> Rereading | None:
    source = None if restart else _source(target)
    return Rereading(w.kubernetes, namespace, source) if source else None


_WORKLOADS = {kind.name: kind for kind in kinds.WORKLOADS}


def _rollout(w: World, key: str, restart: Restart | None, target: Target, namespace: str) -> Rollout | None:
    if restart is None:
        return None
    source, selector = _source(target), ""
    named: tuple[tuple[kinds.Kind, str], ...] = ()
    if isinstance(restart.workloads, list):
        named = tuple((_WORKLOADS[workload.kind], workload.name) for workload in restart.workloads)
    elif restart.workloads != "auto":
        selector = ",".join(f"{k}={v}" for k, v in sorted(restart.workloads.match_labels.items()))
    return Rollout(
        cluster=w.kubernetes,
        clock=w.clock,
        key=key,
        which=Which(namespaces=(namespace,), source=source, selector=selector, named=named),
        soak=restart.soak,
        at_once=restart.at_once,
        timeout=restart.timeout,
    )


def _existing(w: World, policy: RotationPolicy) -> Existing | None:
    declared = policy.spec.take_over
    if declared is None:
        return None
    if declared.provider:
        from rotator.run.providers import shown  # noqa: PLC0415 - only where one is declared

        return Existing(shown(w, policy), SHOWN, declared.kid)
    if vault := declared.vault:
        return Existing(VaultPath(w.vault, vault.mount, vault.path), vault.field, declared.kid)
    secret = declared.secret
    assert secret  # noqa: S101 - exactly one is set
    target = KubernetesObject(w.kubernetes, kinds.SECRET, policy.metadata.namespace, secret.name)
    return Existing(target, secret.key, declared.kid)


def _gate(w: World, policy: RotationPolicy, declared: GatePolicy) -> Gate:
    from rotator.gates.jwks_probe import JwksProbe  # noqa: PLC0415 - only where a gate is declared
    from rotator.gates.prometheus import PrometheusQuery  # noqa: PLC0415 - as above

    if probe := declared.jwks_probe:
        return JwksProbe(w.http(ca_file=probe.ca_file), probe.url, probe.times, policy.lead, w.clock)
    asked = declared.prometheus
    assert asked  # noqa: S101 - exactly one is set
    return PrometheusQuery(w.http(ca_file=asked.ca_file), asked.url, asked.query, asked.below)


# --- what lists show ---------------------------------------------------------------------------------------------


def _no_fence(*_: object) -> None:
    """Show no fence of what is odd, so that its rotation looks at it."""


def shown_fences(w: World, rotations: Sequence[Rotation], listed: Collection[kinds.Kind]) -> Shown:
    """Return what lists show of the targets: one list of metadata a kind and namespace, and no secret is read."""
    parties = [party for r in rotations for party in (*r.verifiers, *r.holders)]
    targets = [d.target for d in parties if isinstance(d, Delivery)]
    objects = [t for t in targets if isinstance(t, KubernetesObject) and t.kind in listed]
    fences: dict[str, str] = {}
    covered: set[tuple[kinds.Kind, str]] = set()
    for kind, namespace in sorted({(t.kind, t.namespace) for t in objects}, key=str):
        wanted = {t.label for t in objects if (t.kind, t.namespace) == (kind, namespace)}
        try:
            fences |= _listed(w, kind, namespace, kinds.MARKED)
            if wanted - fences.keys():  # before 0.1.0 all was marked as if rotator had made it
                fences |= _listed(w, kind, namespace, kinds.MANAGED)
        except Forbidden:
            continue
        covered.add((kind, namespace))
    unlisted = {
        t.label
        for t in targets
        if not isinstance(t, KubernetesObject) or (t.kind, t.namespace) not in covered
    }
    unlisted |= {label for party in parties if not isinstance(party, Delivery) for label in party.fences()}
    return Shown(fences, frozenset(unlisted))


def _listed(w: World, kind: kinds.Kind, namespace: str, selector: str) -> dict[str, str]:
    found = w.kubernetes.list(kind, namespace, selector=selector, metadata_only=True, odd=_no_fence)
    return {f"{kind} {namespace}/{o['metadata']['name']}": o["metadata"]["resourceVersion"] for o in found}
