/** What the guides use of react-native-keychain, as https://oblador.github.io/react-native-keychain/ describes it. */
export enum ACCESSIBLE {
  AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY = 'AccessibleAfterFirstUnlockThisDeviceOnly',
}
export enum STORAGE_TYPE {
  AES_GCM_NO_AUTH = 'KeystoreAESGCM_NoAuth',
}
type Options = { service?: string; accessible?: ACCESSIBLE; storage?: STORAGE_TYPE };
type Result = { service: string; storage: string };
export function getGenericPassword(
  options?: Options,
): Promise<false | (Result & { username: string; password: string })>;
export function setGenericPassword(username: string, password: string, options?: Options): Promise<false | Result>;
export function resetGenericPassword(options?: Options): Promise<boolean>;

/** Only of the stand-in: whether it does as it is told. */
export const keychain: { works: boolean };
