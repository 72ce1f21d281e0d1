export { createClient } from './client.js';
export { GatehouseError } from './error.js';
export type * from './types.js';
