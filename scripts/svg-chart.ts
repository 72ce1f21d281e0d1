/** How the charts look, on light pages and dark ones: the lines of their style sheet. */
export const CHART_STYLE = [
  '  <style>',
  '    .page { fill: #ffffff } text { fill: #1f2328; font: 14px system-ui, -apple-system, "Segoe UI", sans-serif }',
  '    .title { font-size: 16px; font-weight: 600 } .note { fill: #59636e; font-size: 12px }',
  '    .ours { font-weight: 600 } .axis { stroke: #59636e } .bar { fill: #818b98 } .bar.ours { fill: #0969da }',
  '    @media (prefers-color-scheme: dark) {',
  '      .page { fill: #0d1117 } text { fill: #e6edf3 } .note { fill: #9198a1 } .axis { stroke: #9198a1 }',
  '      .bar { fill: #6e7681 } .bar.ours { fill: #58a6ff }',
  '    }',
  '  </style>',
];

export function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
