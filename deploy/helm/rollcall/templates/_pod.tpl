{{/* What every pod has, beside its containers and volumes. Takes root and role. */}}
{{- define "rollcall.podBasics" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 1000
  runAsGroup: 1000
  fsGroup: 1000
  seccompProfile: { type: RuntimeDefault }
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Image and rights of a container: "restricted". */}}
{{- define "rollcall.containerBasics" -}}
image: {{ include "rollcall.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{/* A volume with one file of a Secret or ConfigMap. Takes name, secret or configMap, and items (key: file). */}}
{{- define "rollcall.fileVolume" -}}
- name: {{ .name }}
  {{- if .secret }}
  secret:
    secretName: {{ .secret }}
    defaultMode: 0440
  {{- else }}
  configMap:
    name: {{ .configMap }}
  {{- end }}
    items:
      {{- range $file, $key := .files }}
      - { key: {{ $key | quote }}, path: {{ $file }} }
      {{- end }}
{{- end -}}

{{/* The files that are mounted under /etc/rollcall, each volume in a folder of its name. */}}
{{- define "rollcall.volumes" -}}
{{- with .Values.database.ca }}
{{- if .existingSecret }}
{{ include "rollcall.fileVolume" (dict "name" "database-ca" "secret" .existingSecret "files" (dict "ca.crt" .secretKey)) }}
{{- end }}
{{- end }}
{{- with .Values.kafka.tls.ca }}
{{- if .existingSecret }}
{{ include "rollcall.fileVolume" (dict "name" "kafka-ca" "secret" .existingSecret "files" (dict "ca.crt" .secretKey)) }}
{{- end }}
{{- end }}
{{- with .Values.kafka.tls.clientCertificate }}
{{- if .existingSecret }}
{{ include "rollcall.fileVolume" (dict "name" "kafka-client" "secret" .existingSecret "files" (dict "tls.crt" .certificateKey "tls.key" .privateKeyKey)) }}
{{- end }}
{{- end }}
{{- with .Values.extraCa }}
{{- if or .existingSecret .existingConfigMap }}
{{ include "rollcall.fileVolume" (dict "name" "extra-ca" "secret" .existingSecret "configMap" .existingConfigMap "files" (dict "ca.crt" .key)) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Volumes and mounts are the same for every pod: one that it does not need does no harm. */}}
{{- define "rollcall.podVolumes" -}}
{{- $volumes := include "rollcall.volumes" . | fromYamlArray -}}
{{- with concat $volumes .Values.extraVolumes }}
volumes:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "rollcall.mounts" -}}
{{- $mounts := list -}}
{{- range include "rollcall.volumes" . | fromYamlArray -}}
{{- $mounts = append $mounts (dict "name" .name "mountPath" (printf "/etc/rollcall/%s" .name) "readOnly" true) -}}
{{- end -}}
{{- with concat $mounts .Values.extraVolumeMounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The pod that migrates the database. */}}
{{- define "rollcall.migrationPod" -}}
{{ include "rollcall.podBasics" (dict "root" .) }}
restartPolicy: Never
{{- /* As a hook it runs before the ServiceAccount of the release is there. */}}
serviceAccountName: {{ ternary "default" (include "rollcall.serviceAccountName" .) (and .Values.serviceAccount.create (eq .Values.migration.mode "hook")) }}
containers:
  - name: migrate
    {{- include "rollcall.containerBasics" . | nindent 4 }}
    command: [node, dist/apps/cli/main.js, migrate]
    env:
      {{- include "rollcall.databaseEnvironment" . | nindent 6 }}
      {{- include "rollcall.commonEnvironment" . | nindent 6 }}
    resources:
      {{- toYaml .Values.migration.resources | nindent 6 }}
    {{- include "rollcall.mounts" . | nindent 4 }}
{{- include "rollcall.podVolumes" . }}
{{- end -}}
