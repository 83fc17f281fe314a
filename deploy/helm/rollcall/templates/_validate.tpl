{{/* What no schema can say: values that contradict each other. Each message begins with the value's name. */}}
{{- define "rollcall.validate" -}}
{{- range $name := list "subscriptionApi" "presence" "dispatcher" -}}
{{- $values := index $.Values $name -}}
{{- with $values.autoscaling -}}
{{- if and .enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "%s.autoscaling.minReplicas: %d is more than maxReplicas, %d" $name (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if eq (int $values.containerPort) (int $.Values.operations.port) -}}
{{- fail (printf "operations.port: %d is %s.containerPort: give health and metrics a port of their own, or 0" (int $.Values.operations.port) $name) -}}
{{- end -}}
{{- with index $.Values.keda $name -}}
{{- if and $.Values.keda.enabled (gt (int .minReplicas) (int .maxReplicas)) -}}
{{- fail (printf "keda.%s.minReplicas: %d is more than maxReplicas, %d" $name (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.destinations.ports -}}
{{- $range := splitList "-" (toString .) -}}
{{- if gt (first $range | int) (last $range | int) -}}
{{- fail (printf "destinations.ports: %s is a range that ends before it begins" (toString .)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.settings.OIDC_ISSUER (not .Values.settings.OIDC_AUDIENCE) -}}
{{- fail "settings.OIDC_AUDIENCE: is required with OIDC_ISSUER" -}}
{{- end -}}
{{- end -}}
