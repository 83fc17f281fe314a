{{/* Name of the release's objects, to which each adds its own part; with the longest a Service's name has 63 characters at most. */}}
{{- define "rollcall.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 35 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 35 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* The roles that run for good, by their names, each with the key of its values and the setting of its port. */}}
{{- define "rollcall.roles" -}}
subscription-api: { values: subscriptionApi, portSetting: SUBSCRIPTION_API_PORT }
presence: { values: presence, portSetting: PRESENCE_PORT }
dispatcher: { values: dispatcher, portSetting: DISPATCHER_PORT }
{{- end -}}

{{/* Labels that select the pods of a role. Takes root and role. */}}
{{- define "rollcall.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end -}}

{{/* Labels of an object. Takes root and role. */}}
{{- define "rollcall.labels" -}}
{{ include "rollcall.selector" . }}
app.kubernetes.io/part-of: rollcall
app.kubernetes.io/version: {{ default .root.Chart.AppVersion .root.Values.image.tag | trunc 63 | trimAll "-._" | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata of an object. Takes root, role, name and optionally annotations. */}}
{{- define "rollcall.metadata" -}}
name: {{ .name }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "rollcall.labels" . | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "rollcall.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "rollcall.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "rollcall.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The name of the port that health and metrics are on. */}}
{{- define "rollcall.operationsPortName" -}}
{{- ternary "operations" "http" (gt (int .Values.operations.port) 0) -}}
{{- end -}}

{{/* Whether KEDA scales a role. Takes root and role; empty: no. */}}
{{- define "rollcall.isScaledByKeda" -}}
{{- if and .root.Values.keda.enabled (ne .role "subscription-api") -}}true{{- end -}}
{{- end -}}

{{- define "rollcall.kafkaUsesTls" -}}
{{- with .Values.kafka.tls -}}
{{- if or .enabled .ca.existingSecret .clientCertificate.existingSecret -}}true{{- end -}}
{{- end -}}
{{- end -}}

{{/* An environment variable from a Secret. Takes name, secret and key. */}}
{{- define "rollcall.secretVariable" -}}
- name: {{ .name }}
  valueFrom:
    secretKeyRef:
      name: {{ .secret }}
      key: {{ .key }}
{{- end -}}
