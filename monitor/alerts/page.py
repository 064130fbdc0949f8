"""What is said of an event as a page for mail: one narrow column, styles within, everything escaped. Pure."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from monitor.alerts.account import Account
from monitor.alerts.texts import text
from monitor.reports.look import AMBER, GREEN, GREY, RED

COLOURS = {"OK": GREEN, "DEGRADED": AMBER, "DOWN": RED, "UNKNOWN": GREY, "SHADOWED": "#56B4E9"}
MARKS = ("<!--picture-->", "<!--/picture-->")
"""What stands around the picture in the template: nothing that is escaped can look like it."""
_FONT = (
    "font-family:-apple-system,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei','Noto Sans CJK SC',"
    "'Noto Sans',Arial,sans-serif;"
)
_CODE = "font-family:Consolas,Menlo,'DejaVu Sans Mono',monospace;"
_TEXT = f"{_FONT}font-size:15px;line-height:1.45;"
_BREAK = "word-break:break-word;overflow-wrap:anywhere;"
CSS = {
    "page": "margin:0;padding:0;background:#eef0f2;",
    "hidden": "display:none;max-height:0;overflow:hidden;",
    "outer": "padding:12px 8px;",
    "card": f"{_TEXT}max-width:560px;background:#ffffff;color:#1b1f23;border-radius:6px;",
    "cell": f"{_TEXT}padding:6px 16px;",
    "sign": "font-size:24px;line-height:1;",
    "word": "font-size:20px;",
    "lead": f"{_BREAK}margin:2px 0 6px;font-size:17px;",
    "picture": "display:block;width:100%;max-width:528px;height:auto;border:0;border-radius:4px;",
    "label": "padding:3px 12px 3px 0;color:#57606a;vertical-align:top;width:30%;font-size:14px;",
    "value": f"{_BREAK}padding:3px 0;vertical-align:top;font-size:14px;",
    "mark": "padding:3px 8px 3px 0;vertical-align:top;width:20px;font-size:15px;",
    "soft": "color:#57606a;font-size:13px;",
    "title": "margin:8px 0 4px;padding-top:8px;border-top:1px solid #d8dee4;font-size:15px;",
    "more": "margin:4px 0 0 28px;color:#57606a;font-size:13px;",
    "step": f"{_BREAK}margin:4px 0 8px;font-size:14px;",
    "code": f"{_CODE}{_BREAK}margin:4px 0;padding:8px 10px;background:#eef0f2;border-radius:4px;"
    "font-size:14px;",
    "button": "display:inline-block;padding:10px 16px;background:#0b5cad;color:#ffffff;border-radius:4px;"
    "text-decoration:none;font-weight:bold;",
    "foot": "margin:8px 0 0;padding-top:8px;border-top:1px solid #d8dee4;color:#57606a;font-size:13px;",
}


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("monitor.alerts"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def page(told: Account, cid: str = "", alt: str = "") -> str:
    """Return the page; with `alt` it shows the picture whose Content-ID is `cid`."""
    template = _environment().get_template("mail.html")
    words = {
        "steps": text(told.language, "title.steps"),
        "answer": text(told.language, "title.answer"),
        "command": text(told.language, "answer.command", command="").strip(),
    }
    shown = {"told": told, "words": words, "cid": cid, "alt": alt, "css": CSS}
    return template.render(shown, colour=COLOURS[told.state], colours=COLOURS)


def without_picture(html: str) -> str:
    """Return the page without its picture."""
    before, _, rest = html.partition(MARKS[0])
    return before + rest.partition(MARKS[1])[2] if rest else html
