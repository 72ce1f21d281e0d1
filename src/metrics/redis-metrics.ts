import { Counter, Gauge, type Registry } from 'prom-client';

export function createRedisMetrics(registry: Registry) {
  const registers = [registry];
  const up = new Gauge({
    name: 'gatehouse_redis_up',
    help: 'Whether instances count requests together (1), or each for itself because Redis does not answer (0).',
    registers,
  });
  const losses = new Counter({
    name: 'gatehouse_redis_losses_total',
    help: 'How often Redis stopped answering.',
    registers,
  });
  return {
    changed(isUp: boolean): void {
      up.set(Number(isUp));
      if (!isUp) losses.inc();
    },
  };
}
