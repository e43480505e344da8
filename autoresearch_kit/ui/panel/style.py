"""The panel's style sheet: readable on light and dark pages."""

from autoresearch_kit.reports.figures.drawing import BLUE, GREEN, ORANGE, VERMILLION

COLUMNS = "94px 132px 34px 84px minmax(120px, 1fr) 62px"
"""Widths of the table's columns: verdict, score, runs, delta, idea, seconds; then the cost."""

CSS = f"""<style>
.ark {{ font-size: 13px; line-height: 1.45; color: inherit; }}
.ark .muted {{ opacity: .68; }}
.ark .big {{ font-size: 16px; font-weight: 600; }}
.ark .chip {{ border-left: 4px solid #8c8c8c; padding-left: 6px; font-weight: 600; }}
.ark .keep {{ border-color: {GREEN}; }}
.ark .disturbed, .ark .waiting {{ border-color: {BLUE}; }}
.ark .trade-off {{ border-color: {BLUE}; }}
.ark .out-of-bounds {{ border-color: {ORANGE}; }}
.ark .crash, .ark .failed, .ark .died {{ border-color: {VERMILLION}; }}
.ark .running, .ark .proposing, .ark .recording, .ark .starting {{ border-color: {ORANGE}; }}
.ark .num {{ font-variant-numeric: tabular-nums; text-align: right; }}
.ark .row {{ display: grid; grid-template-columns: {COLUMNS}; gap: 10px; align-items: center;
  min-height: 28px; }}
.ark .costs {{ grid-template-columns: {COLUMNS} 96px; }}
.ark .row > * {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.ark .head {{ font-weight: 600; border-bottom: 1px solid rgba(128,128,128,.4); }}
.ark .box {{ border: 1px solid rgba(128,128,128,.35); border-radius: 6px; padding: 8px 12px; }}
.ark .scroll {{ max-height: 340px; overflow: auto; }}
.ark .facts {{ display: flex; flex-wrap: wrap; gap: 2px 22px; font-variant-numeric: tabular-nums; }}
.ark .rows {{ display: grid; grid-template-columns: max-content 1fr; gap: 1px 14px; }}
.ark .slots {{ display: grid; gap: 1px 14px; font-variant-numeric: tabular-nums;
  grid-template-columns: max-content minmax(120px, 1fr) repeat(3, max-content); }}
.ark .slots > * {{ overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }}
.ark ul {{ margin: 0; padding-left: 18px; }}
.ark pre {{ margin: 4px 0 10px; font-size: 12px; }}
</style>"""
