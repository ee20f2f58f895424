#!/usr/bin/env bash
# Begin the rotation of ES256 signing keys by hand: rotate.sh NAME...
#
# For each NAME: read its state, make a key, keep it in OpenBao, add its public half to the JWKS ConfigMap, and
# record the state. A first key is handed to the signing service at once; for a later one, that has to wait until
# every verifier has read the new list, and is the job of another call.
#
# Needs NAMESPACE, STORE (a path under the mount `rotator`), KUBECONFIG, VAULT_ADDR, VAULT_CACERT, and ROLE_ID and
# SECRET_ID_FILE to log in with.
set -euo pipefail

base64url() { base64 -w0 | tr '+/' '-_' | tr -d '='; }

begin() {
    local name=$1 revision=0 current="" state x y kid jwk old jwks

    # Where are we? The version is what the write at the end must still find there.
    if state=$(bao kv get -mount=rotator -format=json "$STORE/$name/state" 2>/dev/null); then
        revision=$(sed -n 's/.*"version": \([0-9]*\).*/\1/p' <<<"$state")
        current=$(sed -n 's/.*"current": "\([^"]*\)".*/\1/p' <<<"$state")
    fi

    # A key pair; the public point is the last 64 bytes of its DER form; the id is its RFC 7638 thumbprint.
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/key.pem" 2>/dev/null
    openssl pkey -in "$work/key.pem" -pubout -outform DER | tail -c 64 >"$work/point"
    x=$(head -c 32 "$work/point" | base64url)
    y=$(tail -c 32 "$work/point" | base64url)
    kid=$(printf '{"crv":"P-256","kty":"EC","x":"%s","y":"%s"}' "$x" "$y" | openssl dgst -sha256 -binary | base64url)
    jwk=$(printf '{"kty":"EC","crv":"P-256","x":"%s","y":"%s","kid":"%s","use":"sig","alg":"ES256"}' "$x" "$y" "$kid")

    # Keep it before anybody hears of it.
    bao kv put -mount=rotator -cas=0 "$STORE/$name/$kid" private_key=@"$work/key.pem" >/dev/null

    # Let the verifiers accept it.
    old=$(kubectl -n "$NAMESPACE" get configmap "$name-jwks" --ignore-not-found \
        -o jsonpath='{.metadata.resourceVersion} {.data.jwks\.json}')
    if [ -z "$old" ]; then
        kubectl -n "$NAMESPACE" create configmap "$name-jwks" --from-literal=jwks.json="{\"keys\":[$jwk]}" >/dev/null
    else
        jwks=$(sed -e "s|]}\$|,$jwk]}|" -e 's|"|\\"|g' <<<"${old#* }")
        kubectl -n "$NAMESPACE" patch configmap "$name-jwks" --type=merge \
            -p "{\"metadata\":{\"resourceVersion\":\"${old%% *}\"},\"data\":{\"jwks.json\":\"$jwks\"}}" >/dev/null
    fi

    # Nobody has cached a list without a first key: it can be used at once.
    if [ -z "$current" ]; then
        kubectl -n "$NAMESPACE" create secret generic "$name-signing-key" \
            --from-file=private_key="$work/key.pem" >/dev/null
        bao kv put -mount=rotator -cas="$revision" "$STORE/$name/state" phase=active current="$kid" >/dev/null
    else
        bao kv put -mount=rotator -cas="$revision" "$STORE/$name/state" phase=published current="$current" \
            next="$kid" >/dev/null
    fi
    echo "$name: $kid"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077
VAULT_TOKEN=$(bao write -field=token auth/approle/login role_id="$ROLE_ID" secret_id=@"$SECRET_ID_FILE")
export VAULT_TOKEN
for name in "$@"; do
    begin "$name"
done
