# The main job with the client that openapi-python-client makes.
import json
import sys

from rollcall_client import AuthenticatedClient, Client
from rollcall_client.api.agent_events import (
    create_agent_event,
    delete_agent_event,
    get_agent_event,
    get_limit,
    list_agent_events,
    update_agent_event,
)
from rollcall_client.api.agent_status import list_agent_statuses
from rollcall_client.api.applications_and_tokens import create_token
from rollcall_client.models import AgentEventChange, AgentEventCreate, TokenRequest

base = sys.argv[1]
asked = TokenRequest.from_dict({"grant_type": "client_credentials", "client_id": "demo", "client_secret": "demo-secret"})
token = create_token.sync(client=Client(base), body=asked)
client = AuthenticatedClient(base, token.access_token)

agent = ("@me", "local", 136)
body = AgentEventCreate.from_dict({"url": "http://127.0.0.1:9/hook", "event_type": "agent-login", "method": "GET"})
added = create_agent_event.sync(*agent, client=client, body=body)
listed = list_agent_events.sync(*agent, client=client)
changed = update_agent_event.sync(*agent, added.id, client=client, body=AgentEventChange.from_dict({"method": "POST"}))
limit = get_limit.sync("@me", client=client)
status = list_agent_statuses.sync("@me", client=client)
removed = delete_agent_event.sync_detailed(*agent, added.id, client=client)
gone = get_agent_event.sync(*agent, added.id, client=client)
print(
    json.dumps(
        {
            "listed": any(one.id == added.id for one in listed),
            "changed": changed.method,
            "used": limit.agent_event_used,
            "agent": status[0].id,
            "removed": int(removed.status_code),
            "gone": gone.status,
        }
    )
)
