"""Values that the chart is rendered with, by what they show."""

from __future__ import annotations

from typing import Any

import yaml

from tests.chart.charts import PLAIN

Values = dict[str, Any]
DIGEST = "sha256:" + "0123456789abcdef" * 4


def _values(text: str) -> Values:
    values: Values = yaml.safe_load(text)
    return values


PROVIDERS = _values("""
rotations:
  - name: shop
    spec: &client
      credential: {oauthClient: {clientId: shop, issuer: "https://sso.example.com:8443/realms/acme"}}
      every: 30d
      overlap: {tokenTTL: 15m}
      store: {kubernetes: {}}
      verifiers:
        - keycloak:
            url: https://sso.example.com:8444
            realm: acme
            auth: {client: {clientId: rotator, secret: {secret: {name: "0x10", key: secret}}}}
      holders: [{secret: {name: shop}}]
  - name: app
    spec:
      <<: *client
      verifiers:
        - okta: {url: "https://acme.okta.com", app: 0oa1, auth: {token: {secret: {name: okta-token, key: token}}}}
      holders: [{secret: {name: app}}]
  - name: dynamic
    spec:
      <<: *client
      credential: {oauthClient: {issuer: "https://sso.example.com:8443/realms/acme"}}
      verifiers: [{registration: {token: {secret: {name: initial, key: token}}}}]
      holders: [{secret: {name: dynamic}}]
  - name: by-hand
    spec:
      <<: *client
      verifiers: [{static: {secret: handover}}]
      holders: [{secret: {name: by-hand}}]
  - name: bind
    spec:
      <<: *client
      credential: {ldapPassword: {accounts: ["cn=shop,dc=example,dc=com"]}}
      verifiers:
        - ldap:
            url: ldaps://ldap.example.com
            bind: {dn: "cn=rotator,dc=example,dc=com", password: {secret: {name: ldap-bind, key: password}}}
      holders: [{secret: {name: bind}}]
""")
"""Rotations at providers, each with a way in of rotator's own."""

ROTATIONS = _values("""
rotations:
  - name: payments-jwt
    namespace: payments
    labels: {team: payments}
    annotations: {rotator.dev/rotate: inc-4711}
    spec:
      credential: {jwtSigningKey: {algorithm: ES256}}
      every: 30d
      overlap: {tokenTTL: 15m, clockSkew: 60s}
      store: {kubernetes: {}}
      verifiers:
        - jwks: {configMap: payments-jwks, maxAge: 5m, served: {}}
        - {jwks: {secret: edge-jwks, namespace: edge, maxAge: 5m}, restart: {}}
        - pem: {configMap: payments-keys, perVersion: true, maxAge: 5m}
      holders:
        - secret: {name: jwt-signing-key, namespaces: [payments, orders], data: {key: private_key, kid: kid}}
          restart: {workloads: [{name: api}, {kind: Rollout, name: web}]}
      gates:
        beforeActivate: [{jwksProbe: {url: "https://api.example.com:8443/.well-known/jwks.json"}}]
        beforeDestroy: [{prometheus: {url: "http://prometheus.monitoring:9090", query: old_tokens, below: 1000000}}]
  - name: "1"
    namespace: "123"
    spec:
      credential: {sharedSecret: {length: 40}}
      takeOver: {secret: {name: "0x1f", key: key}}
      every: 7d
      overlap: {tokenTTL: 12h}
      store: {kubernetes: {}}
      verifiers: [{acceptedList: {secret: "007", format: lines, maxAge: 1m}, restart: {workloads: auto}}]
      holders: [{secret: {name: "1e3"}}]
  - name: cookie
    spec:
      credential: {sharedSecret: {}}
      every: 7d
      overlap: {tokenTTL: 12h}
      store: {kubernetes: {}}
      verifiers: [{acceptedList: {secret: cookie-accepted}}]
      holders: [{secret: {name: cookie}, restart: {workloads: {matchLabels: {app: web}}}}]
""")
GATEWAYS = _values("""
rotations:
  - name: edge
    namespace: payments
    spec: &edge
      credential: {jwtSigningKey: {}}
      every: 30d
      overlap: {tokenTTL: 15m}
      store: {kubernetes: {}}
      verifiers:
        - jwks: {configMap: edge-jwks, maxAge: 5m}
        - gateway: {product: Envoy, url: "https://api.example.com/", service: {name: proxy, namespace: edge, port: 8443}}
        - gateway: {product: Kong, url: "https://kong.example.com/", service: {name: kong, port: 8443}}
        - istio: {requestAuthentication: "007", issuer: "https://api.example.com"}
        - istio: {requestAuthentication: api, issuer: "https://api.example.com", namespace: mesh}
        - kong: {consumer: "1e3"}
      holders: [{secret: {name: edge}}]
  - name: "0x10"
    namespace: payments
    spec:
      <<: *edge
      verifiers: [{kong: {consumer: shop, namespace: kong}}]
      holders: [{secret: {name: other}}]
""")
VAULT_ROTATION = _values("""
rotations:
  - name: payments-jwt
    namespace: payments
    spec:
      credential: {jwtSigningKey: {}}
      takeOver: {vault: {mount: secret, path: payments/old, field: key}}
      every: 30d
      overlap: {tokenTTL: 15m}
      store: {vault: {mount: rotator, path: payments/jwt}}
      verifiers: [{jwks: {vault: {mount: secret, path: payments/jwks}}}]
      holders: [{vault: {mount: secret, path: payments/jwt}, restart: {workloads: [{kind: StatefulSet, name: api}]}}]
""")
RESOURCES = _values("""
customResources:
  enabled: true
  namespaces: [orders, payments]
  allowDeletion: true
  trusted: true
  gateUrls: ["http://prometheus.monitoring:9090/", "https://apps.example/jwks/"]
  targets:
    - namespace: orders
      rotations: [orders-jwt]
      secrets: [rotation-orders-jwt, orders-key]
      readSecrets: [orders-old]
      configMaps: [orders-jwks]
      served: [orders-jwt]
      restarts: true
    - {namespace: edge, secrets: [edge-jwks]}
""")
PODS = _values("""
commonLabels: {team: platform}
podLabels: {network: internal}
podAnnotations: {sidecar.istio.io/inject: "false"}
imagePullSecrets: [{name: registry}]
extraEnv: [{name: TZ, value: UTC}, {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]
extraEnvFrom: [{configMapRef: {name: more}}]
extraVolumes: [{name: textfile, persistentVolumeClaim: {claimName: textfile}}]
extraVolumeMounts: [{name: textfile, mountPath: /textfile}]
nodeSelector: {kubernetes.io/os: linux}
tolerations: [{key: batch, operator: Exists, effect: NoSchedule}]
affinity:
  nodeAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      nodeSelectorTerms: [{matchExpressions: [{key: pool, operator: In, values: [batch]}]}]
priorityClassName: high
serviceAccount: {annotations: {eks.amazonaws.com/role-arn: "arn:aws:iam::1:role/rotator"}}
""")
SEEN = _values("""
metrics: {push: {url: "http://pushgateway.monitoring:9091", job: keys}, textfile: /textfile/rotator.prom}
otlp: {endpoint: "http://collector.monitoring:4318"}
prometheusRule: {enabled: true, labels: {release: prometheus}, annotations: {a: b}}
dashboard: {enabled: true, annotations: {grafana_folder: rotator}}
exporter:
  enabled: true
  serviceAccount: {name: scraped, annotations: {a: b}}
  service: {annotations: {a: b}}
  podMonitor: {enabled: true, labels: {release: prometheus}}
  serviceMonitor: {enabled: true, labels: {release: prometheus}, interval: 30s}
""")
SERVED = _values("""
serve:
  enabled: true
  schedule: "*/5 * * * mon-fri"
  timeZone: Europe/Berlin
  podMonitor: {enabled: true, labels: {release: prometheus}}
  service: {annotations: {a: b}}
  ingress: {enabled: true, className: nginx, host: api.example.com, tlsSecret: api-tls, annotations: {a: b}}
  httpRoute:
    enabled: true
    parentRefs: [{name: edge, namespace: gateways, sectionName: https}]
    hostnames: [api.example.com]
    annotations: {a: b}
jobs: {rotate: {enabled: false}}
""")
NETWORK = _values("""
networkPolicy:
  enabled: true
  apiServerCidrs: [10.0.0.1/32, "fd00::1/128"]
  vaultPeers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: vault}}}]
  scrapers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]
  verifiers: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]
  extraEgress: [{ports: [{protocol: TCP, port: 5432}]}]
""")
VAULT = _values("""
vault:
  address: https://vault.vault:8200
  namespace: platform
  ca: {secret: vault-ca}
  auth: {method: kubernetes, role: rotator, mount: k8s}
  audience: vault
""")
SHARDED = _values("""
jobs:
  rotate: {shards: 4, selector: "team=payments,tier==1", type: jwtSigningKey, names: [payments/payments-jwt]}
  nightly:
    run: rotate
    schedule: "@daily"
    timeZone: Europe/Berlin
    activeDeadlineSeconds: 3600
    resources: {limits: {memory: 1Gi}}
    extraArgs: [--concurrency=16]
    extraEnv: [{name: A, value: b}]
  rotate-now: {names: [payments/payments-jwt], selector: team=payments}
""")


def example() -> Values:
    """Return the rotation of cronjobs/, as values of the chart."""
    policy = yaml.safe_load((PLAIN / "policies/example.yaml").read_text(encoding="utf-8"))
    return {"rotations": [{**policy["metadata"], "spec": policy["spec"]}]}


def _approle(method: str) -> Values:
    auth = {"method": method, "role": "6d1f", "credential": {"secret": "vault-login", "key": "secret-id"}}
    return {**VAULT_ROTATION, "vault": {"address": "https://vault", "ca": {"configMap": "ca"}, "auth": auth}}


VARIANTS: dict[str, Values] = {
    "gateways": GATEWAYS,
    "nothing": {},
    "example": example(),
    "rotations": ROTATIONS,
    "providers": {**PROVIDERS, **NETWORK},
    "vault": {**VAULT_ROTATION, **VAULT},
    "vault by jwt": {**VAULT_ROTATION, "vault": {"address": "https://vault", "auth": {"method": "jwt"}}},
    "vault by approle": _approle("approle"),
    "vault by a token file": _approle("token-file"),
    "existing config maps": {"existingConfigMaps": ["more", "more.policies", "1"], "lookEvery": "30m"},
    "custom resources": RESOURCES,
    "custom resources of the release's namespace": {"customResources": {"enabled": True}, "events": False},
    "sharded": {**ROTATIONS, **SHARDED},
    "seen": {**ROTATIONS, **SEEN, **NETWORK},
    "served": {**ROTATIONS, **SERVED, **NETWORK, **VAULT},
    "without access": {**ROTATIONS, **SEEN, "rbac": {"create": False}, "serviceAccount": {"create": False}},
    "no lists": {**ROTATIONS, "rbac": {"list": []}, "events": False},
    "no jobs": {"jobs": {"rotate": {"enabled": False}, "rotate-now": {"enabled": False}}},
    "everything": {
        **ROTATIONS,
        **RESOURCES,
        **PODS,
        **SEEN,
        **NETWORK,
        **VAULT,
        **SHARDED,
        "existingConfigMaps": ["more"],
        "fullnameOverride": "keys",
        "image": {
            "repository": "registry.example:5000/team/rotator",
            "digest": DIGEST,
            "pullPolicy": "Always",
        },
        "rbac": {
            "extraRules": [
                {
                    "namespace": "more",
                    "rules": [
                        {
                            "apiGroups": [""],
                            "resources": ["secrets"],
                            "verbs": ["get"],
                            "resourceNames": ["more"],
                        }
                    ],
                }
            ],
        },
    },
}
