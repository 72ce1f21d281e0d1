import type { FastifyInstance } from 'fastify';
import type { SessionServices } from './app-sessions.js';
import type { Config } from './config.js';
import type { Mailbox } from './modules/mail/mailbox.js';
import { mailboxRoutes } from './modules/mail/mailbox-routes.js';
import { createSessionRepository } from './modules/sessions/session-repository.js';
import { installFaults, keepReachable } from './modules/simulated-faults/fault-hooks.js';
import { faultRoutes, ownFaultRoutes } from './modules/simulated-faults/fault-routes.js';
import { createFaultService } from './modules/simulated-faults/fault-service.js';
import { createFaults, type Faults } from './modules/simulated-faults/faults.js';
import { type GateOptions, guard } from './plugins/gate.js';
import type { OriginRule } from './plugins/origin-rule.js';
import { playground } from './plugins/playground.js';
import { onlyThisMachine } from './plugins/this-machine.js';

/**
 * Makes the service one that can be broken on purpose, where that is configured. Before all plugins and routes.
 *
 * @returns null where it is not: then nothing of it exists
 */
export function simulateFaults(config: Config, app: FastifyInstance): Faults | null {
  if (!config.simulatedFaultsEnabled) return null;
  app.log.info('faults can be simulated (SIMULATED_FAULTS_ENABLED): for this machine alone');
  const faults = createFaults({ now: () => performance.now() });
  installFaults(app, faults);
  return faults;
}

type PlaygroundParts = {
  mailbox: Mailbox | null;
  faults: Faults | null;
  originRule: Pick<OriginRule, 'always'>;
  gate: GateOptions;
  folder: string | undefined;
};

/** What is there to try the service out: the page, the mailbox and the faults, each where it is configured. */
export async function registerPlayground(
  app: FastifyInstance,
  config: Config,
  { database, sessions, confirmations, keys, keyRing, clock }: SessionServices,
  { mailbox, faults, originRule, gate, folder }: PlaygroundParts,
): Promise<void> {
  await app.register(async (scope) => {
    keepReachable(scope);
    if (config.playgroundEnabled) {
      const settings = { service_name: config.serviceName, mailbox: mailbox !== null, faults: faults !== null };
      await scope.register(playground, { folder, settings });
    }
    await scope.register(async (here) => {
      here.addHook('onRequest', onlyThisMachine);
      // Or any page that is open in the same browser could break it.
      here.addHook('preParsing', originRule.always);
      if (mailbox) await here.register(mailboxRoutes, { mailbox });
      if (!faults) return;
      const repository = createSessionRepository(database);
      const service = createFaultService({ repository, sessions, confirmations, keys, keyRing, clock });
      await here.register(faultRoutes, { faults, service });
      await here.register(async (own) => {
        guard(own, gate);
        await own.register(ownFaultRoutes, { faults, service });
      });
    });
  });
}
