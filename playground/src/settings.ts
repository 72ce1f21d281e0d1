/** What this service lets the page show. */
export type Settings = { service_name: string; mailbox: boolean; faults: boolean };

/** Without an answer the page still shows the flow: that much any service has. */
export async function loadSettings(): Promise<Settings> {
  try {
    const response = await fetch('/playground/settings.json');
    if (response.ok) return await response.json();
  } catch {
    // As below.
  }
  return { service_name: 'Gatehouse', mailbox: false, faults: false };
}
