/** What the guides use of expo-secure-store, as https://docs.expo.dev/versions/latest/sdk/securestore/ describes it. */
export type SecureStoreOptions = { keychainAccessible?: number };
export const AFTER_FIRST_UNLOCK_THIS_DEVICE_ONLY: number;
export function getItemAsync(key: string, options?: SecureStoreOptions): Promise<string | null>;
export function setItemAsync(key: string, value: string, options?: SecureStoreOptions): Promise<void>;
export function deleteItemAsync(key: string, options?: SecureStoreOptions): Promise<void>;

/** Only of the stand-in. */
export const stored: Map<string, string>;
