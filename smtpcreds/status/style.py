"""How the page looks, by day and by night."""

STYLE = """
:root { color-scheme: light dark;
  --ground: #f6f7f9; --card: #ffffff; --ink: #1b2430; --faint: #66717f; --line: #e2e6eb; --stripe: #f3f5f8;
  --good: #2f8f6b; --due: #c98a0c; --bad: #c9392f; --now: #3866c4; }
@media (prefers-color-scheme: dark) { :root {
  --ground: #12161c; --card: #1a2028; --ink: #e3e8ee; --faint: #93a0ae; --line: #2b333e; --stripe: #202732;
  --good: #4cb78d; --due: #e0a93b; --bad: #ee6a5f; --now: #7ba2f2; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
main { max-width: 1020px; margin: 0 auto; padding: 28px 20px 40px; }
header { display: flex; flex-wrap: wrap; gap: 4px 16px; align-items: center; margin-bottom: 20px; }
h1 { font-size: 22px; font-weight: 650; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 13px; font-weight: 650; margin: 0 0 10px; color: var(--faint); letter-spacing: .02em; }
time { color: var(--faint); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 20px; margin-bottom: 16px; }
.pill { margin-left: auto; padding: 3px 14px; border-radius: 99px; font-weight: 600; color: var(--card); }
.pill.good { background: var(--good); } .pill.due { background: var(--due); }
.pill.bad { background: var(--bad); }
ul { list-style: none; margin: 0; padding: 0; }
li { padding: 8px 0; border-top: 1px solid var(--line); overflow-wrap: anywhere; }
li:first-child { border-top: 0; padding-top: 0; } li:last-child { padding-bottom: 0; }
code { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; background: var(--stripe);
  padding: 1px 6px; border-radius: 5px; }
table { width: 100%; border-collapse: collapse; }
th { text-align: left; font-size: 13px; font-weight: 500; color: var(--faint); }
th, td { padding: 6px 16px 6px 0; border-top: 1px solid var(--line);
  vertical-align: top; overflow-wrap: break-word; }
th, .toned { white-space: nowrap; }
tr:first-child > * { border-top: 0; }
p { margin: 10px 0 0; color: var(--faint); } .faint { color: var(--faint); }
.good { --tone: var(--good); } .due { --tone: var(--due); } .bad { --tone: var(--bad); }
.toned { color: var(--tone); font-weight: 600; }
svg { display: block; width: 100%; height: auto; font-size: 13px; }
svg text { fill: var(--ink); } svg .name { text-anchor: end; }
svg .end { fill: var(--tone); font-weight: 600; }
svg .scale { fill: var(--faint); text-anchor: middle; font-size: 11.5px; }
svg .today { fill: var(--now); font-weight: 650; }
svg .tick { stroke: var(--line); } svg .now { stroke: var(--now); stroke-width: 1.5; stroke-dasharray: 3 3; }
svg .hit { fill: transparent; } svg g:hover .hit { fill: var(--stripe); }
svg .life { fill: var(--tone); } svg .late { fill: var(--tone); opacity: .38; }
.scroll { overflow-x: auto; } .scroll svg { min-width: 720px; }
@media print { body { background: none; } section { break-inside: avoid; } }
"""
