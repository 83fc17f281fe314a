// The main job with the client that openapi-generator makes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	rollcall "example.org/client/rollcall"
)

func must[T any](value T, response any, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

func main() {
	settings := rollcall.NewConfiguration()
	settings.Servers = rollcall.ServerConfigurations{{URL: os.Args[1]}}
	api := rollcall.NewAPIClient(settings)
	token := must(api.ApplicationsAndTokensAPI.CreateToken(context.Background()).
		GrantType("client_credentials").ClientId("demo").ClientSecret("demo-secret").
		GrantType2("client_credentials").ClientId2("demo").ClientSecret2("demo-secret").Execute())
	settings.AddDefaultHeader("Authorization", "Bearer "+token.GetAccessToken())
	ctx := context.Background()

	events := api.AgentEventsAPI
	added := must(events.CreateAgentEvent(ctx, "@me", "local", 136).
		AgentEventCreate(*rollcall.NewAgentEventCreate("http://127.0.0.1:9/hook", "agent-login", "GET")).Execute())
	listed := false
	for _, one := range must(events.ListAgentEvents(ctx, "@me", "local", 136).Execute()) {
		listed = listed || one.GetId() == added.GetId()
	}
	change := rollcall.NewAgentEventChange()
	change.SetMethod("POST")
	changed := must(events.UpdateAgentEvent(ctx, "@me", "local", 136, added.GetId()).AgentEventChange(*change).Execute())
	limit := must(events.GetLimit(ctx, "@me").Execute())
	removed, err := events.DeleteAgentEvent(ctx, "@me", "local", 136, added.GetId()).Execute()
	must(removed, nil, err)
	_, answer, _ := events.GetAgentEvent(ctx, "@me", "local", 136, added.GetId()).Execute()
	var gone struct{ Status string }
	body, _ := io.ReadAll(answer.Body)
	json.Unmarshal(body, &gone)
	said, _ := json.Marshal(map[string]any{
		"listed": listed, "changed": changed.GetMethod(), "used": limit.GetAgentEventUsed(), "removed": removed.StatusCode, "gone": gone.Status,
	})
	fmt.Println(string(said))
}
