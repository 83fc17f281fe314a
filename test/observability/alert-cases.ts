/** Series in the notation of promtool, a sample a minute. */
export interface AlertCase {
  /** A world in which it fires within an hour. */
  readonly fires: Readonly<Record<string, string>>;
  /** One like it in which it does not. */
  readonly isQuiet: Readonly<Record<string, string>>;
}

const HOUR = 'x60';

/** Of each alert. */
export const ALERT_CASES: Readonly<Record<string, AlertCase>> = {
  RollcallServiceDown: {
    fires: {
      'up{job="presence",instance="a"}': `1 1 0+0${HOUR}`,
      'rollcall_build_info{job="presence",instance="a",version="1"}': '1 1',
    },
    // Somebody else's job of that name.
    isQuiet: { 'up{job="presence",instance="b"}': `0+0${HOUR}` },
  },
  RollcallDependencyDown: {
    fires: { 'rollcall_dependency_up{job="presence",instance="a",dependency="kafka"}': `0+0${HOUR}` },
    isQuiet: { 'rollcall_dependency_up{job="presence",instance="a",dependency="kafka"}': '0 1 1 0 1 1 0 1 1 0 1 1 1+0x48' },
  },
  RollcallRequestsFail: {
    fires: {
      'http_requests_total{job="presence",method="POST",route="/telemetry",status="2xx"}': `0+900${HOUR}`,
      'http_requests_total{job="presence",method="POST",route="/telemetry",status="5xx"}': `0+100${HOUR}`,
    },
    isQuiet: {
      'http_requests_total{job="presence",method="POST",route="/telemetry",status="2xx"}': `0+900${HOUR}`,
      'http_requests_total{job="presence",method="POST",route="/telemetry",status="4xx"}': `0+900${HOUR}`,
      'http_requests_total{job="presence",method="POST",route="/telemetry",status="5xx"}': `0+1${HOUR}`,
    },
  },
  RollcallPoolExhausted: {
    fires: { 'rollcall_db_pool_connections{job="presence",instance="a",state="waiting"}': `3+0${HOUR}` },
    isQuiet: {
      'rollcall_db_pool_connections{job="presence",instance="a",state="waiting"}': '0 9 0 9 0 9 0 9 0+0x51',
      'rollcall_db_pool_connections{job="presence",instance="a",state="used"}': `9+0${HOUR}`,
    },
  },
  RollcallClockSkew: {
    fires: { 'rollcall_clock_skew_seconds{job="presence",instance="a"}': `-3+0${HOUR}` },
    isQuiet: { 'rollcall_clock_skew_seconds{job="presence",instance="a"}': `0.3+0${HOUR}` },
  },
  RollcallTelemetryDeadLetters: {
    fires: { 'rollcall_telemetry_dead_letters_total{instance="a"}': `0+0x50 5+0x9` },
    isQuiet: { 'rollcall_telemetry_dead_letters_total{instance="a"}': `7+0${HOUR}` },
  },
  RollcallShardsWithoutOwner: {
    fires: { 'rollcall_relay_shards{instance="a"}': `8+0${HOUR}`, 'rollcall_relay_shards{instance="b"}': `0+0${HOUR}` },
    isQuiet: { 'rollcall_relay_shards{instance="a"}': `8+0${HOUR}`, 'rollcall_relay_shards{instance="b"}': `8+0${HOUR}` },
  },
  RollcallOutboxOld: {
    fires: { 'rollcall_outbox_oldest_seconds{instance="a"}': `0+60${HOUR}` },
    isQuiet: { 'rollcall_outbox_oldest_seconds{instance="a"}': `20+0${HOUR}` },
  },
  RollcallConsumerLag: {
    fires: {
      'rollcall_consumer_lag_records{instance="a",group="g",topic="t",partition="0"}': `8000+0${HOUR}`,
      'rollcall_consumer_lag_records{instance="b",group="g",topic="t",partition="1"}': `8000+0${HOUR}`,
    },
    isQuiet: {
      'rollcall_consumer_lag_records{instance="a",group="g",topic="t",partition="0"}': `8000+0${HOUR}`,
      'rollcall_consumer_lag_records{instance="a",group="h",topic="t",partition="0"}': `8000+0${HOUR}`,
    },
  },
  RollcallConsumerGroupUnstable: {
    fires: { 'rollcall_bus_membership_losses_total{group="g"}': `0+1${HOUR}` },
    isQuiet: { 'rollcall_bus_membership_losses_total{group="g"}': '0 1+0x59' },
  },
  RollcallSequenceGap: {
    fires: { 'rollcall_sequence_gaps_total{instance="a"}': '0+0x40 1+0x19' },
    isQuiet: { 'rollcall_sequence_gaps_total{instance="a"}': `3+0${HOUR}` },
  },
  RollcallNotificationsLate: {
    fires: {
      'rollcall_notification_lateness_seconds_bucket{le="10"}': `0+90${HOUR}`,
      'rollcall_notification_lateness_seconds_bucket{le="60"}': `0+100${HOUR}`,
      'rollcall_notification_lateness_seconds_bucket{le="+Inf"}': `0+100${HOUR}`,
    },
    isQuiet: {
      'rollcall_notification_lateness_seconds_bucket{le="10"}': `0+1000${HOUR}`,
      'rollcall_notification_lateness_seconds_bucket{le="60"}': `0+1001${HOUR}`,
      'rollcall_notification_lateness_seconds_bucket{le="+Inf"}': `0+1001${HOUR}`,
    },
  },
  RollcallBacklogOld: {
    fires: { 'rollcall_oldest_waiting_seconds{instance="a"}': `21600+60${HOUR}` },
    isQuiet: { 'rollcall_oldest_waiting_seconds{instance="a"}': `10000+60${HOUR}` },
  },
  RollcallBacklogGrows: {
    fires: { 'rollcall_behind_rows{instance="a"}': `100001+1000${HOUR}` },
    isQuiet: { 'rollcall_behind_rows{instance="a"}': `30000+1000${HOUR}` },
  },
  RollcallDeliveriesFailed: {
    fires: { 'rollcall_delivery_attempts_total{outcome="failed",reason="5xx"}': '0+0x30 2+0x29' },
    isQuiet: {
      'rollcall_delivery_attempts_total{outcome="failed",reason="5xx"}': `5+0${HOUR}`,
      'rollcall_delivery_attempts_total{outcome="retry",reason="5xx"}': `0+9${HOUR}`,
    },
  },
};
