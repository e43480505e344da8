"""The widgets that a campaign is started, watched and steered with."""

from autoresearch_kit.ui.panel.directive import Directive
from autoresearch_kit.ui.panel.panel import Panel

__all__ = ["Directive", "Panel"]
