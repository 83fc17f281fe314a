{{/* What every process is told of the database. */}}
{{- define "rollcall.databaseEnvironment" -}}
{{- with .Values.database -}}
{{ include "rollcall.secretVariable" (dict "name" "DATABASE_URL" "secret" .existingSecret "key" .secretKey) }}
{{- end }}
{{- end -}}

{{/* What the services are told of Kafka. */}}
{{- define "rollcall.kafkaEnvironment" -}}
{{- with .Values.kafka -}}
- name: KAFKA_BROKERS
  value: {{ join "," .brokers | quote }}
- name: KAFKA_TOPIC_PARTITIONS
  value: {{ .topicPartitions | int | quote }}
{{- if .prefix }}
- name: KAFKA_PREFIX
  value: {{ .prefix | quote }}
{{- end }}
{{- if include "rollcall.kafkaUsesTls" $ }}
- name: KAFKA_SSL
  value: 'true'
{{- end }}
{{- if .tls.ca.existingSecret }}
- name: KAFKA_SSL_CA_FILE
  value: /etc/rollcall/kafka-ca/ca.crt
{{- end }}
{{- if .tls.clientCertificate.existingSecret }}
- name: KAFKA_SSL_CERT_FILE
  value: /etc/rollcall/kafka-client/tls.crt
- name: KAFKA_SSL_KEY_FILE
  value: /etc/rollcall/kafka-client/tls.key
{{- end }}
{{- with .sasl }}
{{- if .mechanism }}
- name: KAFKA_SASL_MECHANISM
  value: {{ .mechanism }}
{{- if eq .mechanism "oauthbearer" }}
- name: KAFKA_SASL_TOKEN_URL
  value: {{ .tokenUrl | quote }}
{{ include "rollcall.secretVariable" (dict "name" "KAFKA_SASL_CLIENT_ID" "secret" .existingSecret "key" .clientIdKey) }}
{{ include "rollcall.secretVariable" (dict "name" "KAFKA_SASL_CLIENT_SECRET" "secret" .existingSecret "key" .clientSecretKey) }}
{{- if .scope }}
- name: KAFKA_SASL_SCOPE
  value: {{ .scope | quote }}
{{- end }}
{{- else }}
{{ include "rollcall.secretVariable" (dict "name" "KAFKA_SASL_USERNAME" "secret" .existingSecret "key" .usernameKey) }}
{{ include "rollcall.secretVariable" (dict "name" "KAFKA_SASL_PASSWORD" "secret" .existingSecret "key" .passwordKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What is set by name, whichever process reads it. */}}
{{- define "rollcall.commonEnvironment" -}}
{{- range $name, $value := .Values.settings }}
- name: {{ $name }}
  value: {{ ternary (printf "%v" $value) (printf "%d" (int64 $value)) (not (kindIs "float64" $value)) | quote }}
{{- end }}
{{- if or .Values.extraCa.existingSecret .Values.extraCa.existingConfigMap }}
- name: NODE_EXTRA_CA_CERTS
  value: /etc/rollcall/extra-ca/ca.crt
{{- end }}
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The environment of a role that runs for good. Takes root, role, portSetting and values. */}}
{{- define "rollcall.roleEnvironment" -}}
{{ include "rollcall.databaseEnvironment" .root }}
{{- with .root.Values.database }}
- name: DATABASE_POOL
  value: {{ .pool | int | quote }}
{{- with .readReplica }}
{{- if .existingSecret }}
{{ include "rollcall.secretVariable" (dict "name" "DATABASE_READ_URL" "secret" .existingSecret "key" .secretKey) }}
{{- end }}
{{- end }}
{{- end }}
{{ include "rollcall.kafkaEnvironment" .root }}
- name: {{ .portSetting }}
  value: {{ .values.containerPort | int | quote }}
{{- if gt (int .root.Values.operations.port) 0 }}
- name: OPERATIONS_PORT
  value: {{ .root.Values.operations.port | int | quote }}
{{- end }}
- name: SHUTDOWN_DELAY
  value: {{ printf "%ds" (int .root.Values.shutdownDelaySeconds) }}
{{- /* Presence seals nothing and notifies nobody. */}}
{{- if ne .role "presence" }}
{{- with .root.Values.encryptionKey }}
{{ include "rollcall.secretVariable" (dict "name" "ENCRYPTION_KEY" "secret" .existingSecret "key" .secretKey) }}
{{- if .previousKey }}
{{ include "rollcall.secretVariable" (dict "name" "ENCRYPTION_KEY_PREVIOUS" "secret" .existingSecret "key" .previousKey) }}
{{- end }}
{{- end }}
{{- with .root.Values.destinations }}
{{- if .allow }}
- name: ALLOW_DESTINATIONS
  value: {{ join "," .allow | quote }}
{{- end }}
{{- if .ports }}
- name: DESTINATION_PORTS
  value: {{ join "," .ports | quote }}
{{- end }}
{{- end }}
{{- end }}
{{- if eq .role "subscription-api" }}
{{- with .root.Values.bootstrapApps }}
{{- if .existingSecret }}
{{ include "rollcall.secretVariable" (dict "name" "BOOTSTRAP_APPS" "secret" .existingSecret "key" .secretKey) }}
{{- end }}
{{- end }}
{{- end }}
{{- include "rollcall.commonEnvironment" .root }}
{{- with .values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}
