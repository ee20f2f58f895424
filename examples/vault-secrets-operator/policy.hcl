# holders of payments/payments-jwt
path "secret/data/payments/jwt" {
  capabilities = ["read"]
}
