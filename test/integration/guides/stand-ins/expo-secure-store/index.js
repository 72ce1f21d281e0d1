export const AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY = 6;
export const stored = new Map();

/** As the real one. */
function check(key) {
  if (!/^[\w.-]+$/.test(key)) throw new Error('Invalid key.');
}

export async function getItemAsync(key) {
  check(key);
  return stored.get(key) ?? null;
}

export async function setItemAsync(key, value) {
  check(key);
  stored.set(key, value);
}

export async function deleteItemAsync(key) {
  check(key);
  stored.delete(key);
}
