INSTALLED_APPS = ["django.contrib.contenttypes"]
ROOT_URLCONF = "tests.urls"
