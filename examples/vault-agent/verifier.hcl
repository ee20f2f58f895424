# The agent beside the service that verifies. The server is in its environment: VAULT_ADDR, VAULT_CACERT.
auto_auth {
  method "approle" {
    config = {
      role_id_file_path                   = "/etc/payments/role-id"
      secret_id_file_path                 = "/etc/payments/secret-id"
      remove_secret_id_file_after_reading = false
    }
  }
}

template_config {
  static_secret_render_interval = "1m" # the default is 5m; pickUp and propagation have to be longer
}

template {
  destination          = "/run/payments/jwks.json"
  perms                = "0400"
  error_on_missing_key = true
  contents             = <<EOT
{{ with secret "secret/data/payments/jwks" }}{{ index .Data.data "jwks.json" }}{{ end }}
EOT
}
