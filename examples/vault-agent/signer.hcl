# The agent beside the service that signs. The server is in its environment: VAULT_ADDR, VAULT_CACERT.
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
  destination          = "/run/payments/signing-key.json"
  perms                = "0400"
  error_on_missing_key = true
  contents             = <<EOT
{{ with secret "secret/data/payments/jwt" -}}
{"current": {{ .Data.data.jwk }}
{{- with index .Data.data "previous_jwk" }}, "previous": {{ . }}{{ end }}}
{{- end }}
EOT

  exec {
    command = ["sh", "-c", "kill -HUP $(cat /run/payments/pid) || true"] # true: before the service runs
  }
}
