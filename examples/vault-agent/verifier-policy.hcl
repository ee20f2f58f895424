# verifiers of payments/payments-jwt
path "secret/data/payments/jwks" {
  capabilities = ["read"]
}
