{{/* Pods: the environment, the volumes, and what all of them share. */}}

{{/* (list root what): names of ConfigMaps with policies, as a JSON object with a list. */}}
{{- define "rotator.policyMaps" -}}
{{- $maps := .Values.existingConfigMaps -}}
{{- if .Values.rotations }}{{ $maps = prepend $maps (include "rotator.policiesName" .) }}{{ end -}}
{{- dict "names" ($maps | uniq) | toJson -}}
{{- end -}}

{{/* Where rotations are read: for every verb. */}}
{{- define "rotator.env.policies" -}}
{{- with (include "rotator.policyMaps" . | fromJson).names }}
- name: ROTATOR_POLICIES
  value: "{{ range $at, $name := . }}{{ if $at }}:{{ end }}/etc/rotator/policies/{{ $name }}{{ end }}"
{{- end }}
{{- with (include "rotator.resourcesIn" . | fromJson).namespaces }}
- name: ROTATOR_RESOURCES_IN
  value: {{ join " " . | quote }}
{{- with $.Values.customResources.gateUrls }}
- name: ROTATOR_GATE_URLS
  value: {{ join " " . | quote }}
{{- end }}
{{- if $.Values.customResources.trusted }}
- name: ROTATOR_TRUST_RESOURCES
  value: "true"
{{- end }}
{{- end }}
{{- end -}}

{{/* What every run is told. */}}
{{- define "rotator.env.run" -}}
- name: NODE_NAME
  valueFrom:
    fieldRef:
      fieldPath: spec.nodeName
- name: ROTATOR_LIST
  value: {{ .Values.rbac.list | join "," | default "none" | quote }}
{{- with .Values.lookEvery }}
- name: ROTATOR_LOOK_EVERY
  value: {{ quote . }}
{{- end }}
- name: ROTATOR_EVENTS
  value: {{ .Values.events | quote }}
{{- with .Values.metrics.push.url }}
- name: ROTATOR_METRICS_PUSH
  value: {{ quote . }}
{{- end }}
{{- with .Values.metrics.textfile }}
- name: ROTATOR_METRICS_FILE
  value: {{ quote . }}
{{- end }}
{{- if .Values.vault.address }}
- name: VAULT_ADDR
  value: {{ .Values.vault.address | quote }}
{{- with .Values.vault.namespace }}
- name: VAULT_NAMESPACE
  value: {{ quote . }}
{{- end }}
{{- if or .Values.vault.ca.secret .Values.vault.ca.configMap }}
- name: VAULT_CACERT
  value: /var/run/rotator/vault-ca/ca.crt
{{- end }}
- name: ROTATOR_VAULT_AUTH
  value: {{ .Values.vault.auth.method }}
{{- if ne .Values.vault.auth.method "token-file" }}
- name: ROTATOR_VAULT_ROLE
  value: {{ .Values.vault.auth.role | quote }}
{{- with .Values.vault.auth.mount }}
- name: ROTATOR_VAULT_AUTH_MOUNT
  value: {{ quote . }}
{{- end }}
{{- end }}
- name: {{ dict "kubernetes" "ROTATOR_VAULT_JWT_FILE" "jwt" "ROTATOR_VAULT_JWT_FILE" "approle" "ROTATOR_VAULT_SECRET_ID_FILE" "token-file" "ROTATOR_VAULT_TOKEN_FILE" | dig .Values.vault.auth.method "" }}
  value: /var/run/rotator/vault-login/token
{{- end }}
{{- with .Values.otlp.endpoint }}
- name: OTEL_EXPORTER_OTLP_ENDPOINT
  value: {{ quote . }}
{{- end }}
{{- end -}}

{{/* Mounts of the policies and /tmp. */}}
{{- define "rotator.mounts" -}}
{{- range $at, $name := (include "rotator.policyMaps" . | fromJson).names }}
- name: policies-{{ $at }}
  mountPath: /etc/rotator/policies/{{ $name }}
  readOnly: true
{{- end }}
- name: tmp
  mountPath: /tmp
{{- end -}}

{{- define "rotator.volumes" -}}
{{- range $at, $name := (include "rotator.policyMaps" . | fromJson).names }}
- name: policies-{{ $at }}
  configMap:
    name: {{ quote $name }}
{{- end }}
- name: tmp
  emptyDir: {}
{{- end -}}

{{- define "rotator.vault.mounts" -}}
{{- if or .Values.vault.ca.secret .Values.vault.ca.configMap }}
- name: vault-ca
  mountPath: /var/run/rotator/vault-ca
  readOnly: true
{{- end }}
- name: vault-login
  mountPath: /var/run/rotator/vault-login
  readOnly: true
{{- end -}}

{{- define "rotator.vault.volumes" -}}
{{- with .Values.vault.ca.secret }}
- name: vault-ca
  secret:
    secretName: {{ quote . }}
    items:
      - key: {{ quote $.Values.vault.ca.key }}
        path: ca.crt
{{- end }}
{{- with .Values.vault.ca.configMap }}
- name: vault-ca
  configMap:
    name: {{ quote . }}
    items:
      - key: {{ quote $.Values.vault.ca.key }}
        path: ca.crt
{{- end }}
- name: vault-login
  {{- if has .Values.vault.auth.method (list "kubernetes" "jwt") }}
  projected:
    sources:
      - serviceAccountToken:
          path: token
          expirationSeconds: {{ .Values.vault.tokenExpirationSeconds | int }}
          {{- with .Values.vault.audience }}
          audience: {{ quote . }}
          {{- end }}
  {{- else }}
  secret:
    secretName: {{ .Values.vault.auth.credential.secret | quote }}
    items:
      - key: {{ .Values.vault.auth.credential.key | quote }}
        path: token
  {{- end }}
{{- end -}}

{{/* (dict root name command args env resources vault ...): a container. */}}
{{- define "rotator.container" -}}
{{- $root := .root -}}
name: {{ .name }}
image: {{ include "rotator.image" $root | quote }}
imagePullPolicy: {{ $root.Values.image.pullPolicy }}
command: {{ .command | toJson }}
{{- with .args }}
args: {{ . | toJson }}
{{- end }}
{{- $extra := $root.Values.extraEnv | empty | ternary "" (toYaml $root.Values.extraEnv) }}
{{- with printf "%s\n%s\n%s" (include "rotator.env.policies" $root | trim) (trim .env) $extra | trim }}
env:
  {{- regexReplaceAll "\\n+" . "\n" | nindent 2 }}
{{- end }}
{{- with $root.Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .more }}
{{ toYaml . }}
{{- end }}
resources:
  {{- toYaml .resources | nindent 2 }}
securityContext:
  {{- toYaml $root.Values.securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  {{- include "rotator.mounts" $root | trim | nindent 2 }}
  {{- if and .vault $root.Values.vault.address }}
  {{- include "rotator.vault.mounts" $root | trim | nindent 2 }}
  {{- end }}
  {{- with $root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* (dict root account vault): what a pod has besides its containers. */}}
{{- define "rotator.pod" -}}
{{- $root := .root -}}
serviceAccountName: {{ quote .account }}
automountServiceAccountToken: {{ .automount }}
enableServiceLinks: false
terminationGracePeriodSeconds: 30
securityContext:
  {{- toYaml $root.Values.podSecurityContext | nindent 2 }}
volumes:
  {{- include "rotator.volumes" $root | trim | nindent 2 }}
  {{- if and .vault $root.Values.vault.address }}
  {{- include "rotator.vault.volumes" $root | trim | nindent 2 }}
  {{- end }}
  {{- with $root.Values.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
