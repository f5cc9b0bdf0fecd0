SECRET_KEY = "example"
INSTALLED_APPS = ["harbour"]
ROOT_URLCONF = "harbour.urls"
