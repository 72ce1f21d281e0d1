export const ACCESSIBLE = { AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: 'AccessibleAfterFirstUnlockThisDeviceOnly' };
export const STORAGE_TYPE = { AES_GCM_NO_AUTH: 'KeystoreAESGCM_NoAuth' };

/** Whether it does as it is told. */
export const keychain = { works: true };
const kept = new Map();

export async function getGenericPassword({ service }) {
  return kept.get(service) ?? false;
}

export async function setGenericPassword(username, password, { service, storage }) {
  if (!keychain.works) return false;
  kept.set(service, { service, storage, username, password });
  return { service, storage };
}

export async function resetGenericPassword({ service }) {
  if (keychain.works) kept.delete(service);
  return keychain.works;
}
