from tests.campaign.conftest import corpus, data_home, project

__all__ = ["corpus", "data_home", "project"]
