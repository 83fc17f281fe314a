<?php
declare(strict_types=1);

namespace Rollcall;

/** A request that is no notification of Rollcall's, or was altered on its way. Its code is the HTTP status to answer. */
final class NotificationException extends \RuntimeException
{
}

/** What happened when a call-centre agent logged in or out, and which sending of it this is. `id` is the same over every attempt. */
final class Notification
{
    private const TOLERANCE_SECONDS = 300;

    private function __construct(
        public readonly string $id,
        public readonly int $attempt,
        public readonly int $sequence,
        public readonly \DateTimeImmutable $occurredAt,
        public readonly bool $isTest,
        public readonly int $agentId,
        public readonly string $agentType,
        public readonly string $agentStatus,
        public readonly string $eventSource,
        public readonly string $name,
    ) {
    }

    /**
     * Verifies the request that is being served, and reads the notification that it is.
     *
     * @param string $secret `whsec_…`
     * @throws NotificationException where it is none, or more than 5 minutes old
     */
    public static function fromGlobals(string $secret): self
    {
        $headers = [];
        foreach ($_SERVER as $name => $value) {
            if (str_starts_with((string) $name, 'HTTP_WEBHOOK_')) {
                $headers[strtolower(strtr(substr($name, 5), '_', '-'))] = $value;
            }
        }
        return self::verify($_SERVER['REQUEST_METHOD'], $_SERVER['QUERY_STRING'] ?? '', $headers, (string) file_get_contents('php://input'), $secret);
    }

    /**
     * The same for a request of any framework.
     *
     * @param string $query as it came; frameworks that sort or re-encode it break the signature
     * @param array<string, string> $headers by their names in small letters
     * @param string $body as it came
     * @throws NotificationException where it is none, or more than 5 minutes old
     */
    public static function verify(string $method, string $query, array $headers, string $body, string $secret): self
    {
        $payload = $method === 'GET' ? self::pairsOf($query) : $body;
        $header = fn (string $name): string => $headers[$name] ?? throw new NotificationException("the header $name is missing", 401);
        $timestamp = $header('webhook-timestamp');
        $key = base64_decode(substr($secret, strlen('whsec_')), true);
        if ($key === false) {
            throw new \InvalidArgumentException('the secret is not whsec_ and base64');
        }
        $signature = hash_hmac('sha256', "{$header('webhook-id')}.$timestamp.$payload", $key, true);
        $given = explode(' ', $header('webhook-signature'));
        if (array_filter($given, fn ($one) => hash_equals('v1,' . base64_encode($signature), $one)) === []) {
            throw new NotificationException('no signature is right', 401);
        }
        if (!ctype_digit($timestamp) || abs(time() - (int) $timestamp) > self::TOLERANCE_SECONDS) {
            throw new NotificationException('the timestamp is more than 5 minutes away', 401);
        }
        parse_str($payload, $pairs);
        return new self(
            id: $header('webhook-id'),
            attempt: (int) $header('webhook-attempt'),
            sequence: (int) $header('webhook-sequence'),
            occurredAt: new \DateTimeImmutable($header('webhook-event-time')),
            isTest: ($headers['webhook-test'] ?? '') === '1',
            agentId: (int) $pairs['agent_id'],
            agentType: $pairs['agent_type'],
            agentStatus: $pairs['agent_status'],
            eventSource: $pairs['event_source'],
            name: $pairs[$pairs['agent_type'] === 'local' ? 'extension_name' : 'agent_number'],
        );
    }

    /** The end of the query, from its last `agent_status=` on. */
    private static function pairsOf(string $query): string
    {
        $start = strrpos($query, 'agent_status=');
        return $start === false ? throw new NotificationException('the query has no agent_status', 400) : substr($query, $start);
    }
}
